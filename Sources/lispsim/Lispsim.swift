// Runs scenarios of the simulated network outside of the tests: long ones, many seeds, one seed again.
//
//     lispsim run [--scenario NAME] [--seed N] [--seeds COUNT] [--minutes DISTURBED] [--fault NAME] [--trace EVENTS]
//         [--progress MINUTES] [--cpu-seconds N] [--memory-mib N] [--json FILE]
//     lispsim list
//
// One seed prints its whole report; with --json the reports of all are written to FILE, too.

import SimulatedNetwork

@main
enum Lispsim {
    static func main() {
        var arguments = CommandLine.arguments.dropFirst()
        switch arguments.popFirst() {
        case "list":
            for scenario in Scenario.all {
                let shape = scenario.shape
                let size = shape.sites.map { "\($0) sites, \(shape.proxies) proxies" } ?? "\(shape.routers) routers"
                print("\(scenario.name): \(size), disturbed for \(scenario.disturbed)")
            }
            print("faults: \(SeededFault.allCases.map(\.rawValue).joined(separator: " "))")
        case "run":
            Run(arguments).start()
        default:
            fail(
                "lispsim list, or lispsim run [--scenario NAME] [--seed N] [--seeds COUNT] [--minutes DISTURBED] "
                    + "[--fault NAME] [--trace EVENTS] [--progress MINUTES] [--cpu-seconds N] [--memory-mib N] [--json FILE]"
            )
        }
    }
}

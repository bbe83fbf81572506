// A whole subagent: a table of planets for the master at /var/agentx/master, or where the first argument says.
//
//     snmpwalk -v 2c -c public localhost 1.3.6.1.4.1.8072.9999.9999.2741

import AgentX
import NIOCore
import NIOPosix

@main
enum Planets {
    static let root: OID = "1.3.6.1.4.1.8072.9999.9999.2741"

    static func main() throws {
        let master = CommandLine.arguments.dropFirst().first.flatMap { MasterAddress($0) } ?? .standard
        let eventLoop = MultiThreadedEventLoopGroup.singleton.next()
        eventLoop.execute {
            let planets = SortedRows<UInt32, (name: String, kilometres: UInt32)>()
            planets[1] = ("Mercury", 4879)
            planets[2] = ("Venus", 12_104)
            planets[3] = ("Earth", 12_756)
            let module = MIBModule("PLANET-MIB", at: root) {
                Table("planetEntry", at: root + [1, 1], rows: planets) {
                    Column(2, "planetName") { .octetString($0.name) }
                    Column(3, "planetDiameter") { .gauge32($0.kilometres) }
                }
                Scalar("planetCount", at: root + [2]) { .gauge32(UInt32(planets.count)) }
            }
            let settings = AgentXSettings(description: "planets")
            AgentXClient(master: master, settings: settings, modules: [module], eventLoop: eventLoop) { print($0) }
                .start()
        }
        try eventLoop.makePromise(of: Void.self).futureResult.wait()
    }
}

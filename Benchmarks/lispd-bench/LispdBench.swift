// lispd-bench: how long the parts of lispd take, how much they allocate, and how many instructions they need.
//
// Why not the package ordo-one/benchmark: it counts allocations through jemalloc or an interposer of its own, and read 0 here; it
// has no way to count instructions where perf events are not to be had (virtual machines); and thresholds that are one readable
// file are easier to review than its directory of JSON. What is left to write is small: this directory.

import ArgumentParser

@main
struct LispdBench: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "lispd-bench",
        abstract: "Measures the parts of lispd and its data plane, loads a Map-Server, and sends traffic.",
        subcommands: [
            List.self, Run.self, Instructions.self, Checked.self, Load.self, Plane.self, Traffic.self, Bare.self,
        ]
    )
}

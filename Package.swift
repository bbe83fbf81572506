// swift-tools-version: 6.2
import PackageDescription

// Arrows point down only: a target may depend on those above it in this list, never the reverse.
// What decides things (LISPWire to LISPControl, HostRouting, ForwardingInterface) touches no socket, file or clock.

var settings: [SwiftSetting] = [
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("ExistentialAny"),
]
if Context.environment["CI"] != nil {
    settings.append(.treatAllWarnings(as: .error))
}

let crypto = Target.Dependency.product(name: "Crypto", package: "swift-crypto")
let logging = Target.Dependency.product(name: "Logging", package: "swift-log")
let arguments = Target.Dependency.product(name: "ArgumentParser", package: "swift-argument-parser")
let nioCore = Target.Dependency.product(name: "NIOCore", package: "swift-nio")
let nioPosix = Target.Dependency.product(name: "NIOPosix", package: "swift-nio")
let nioHTTP = Target.Dependency.product(name: "NIOHTTP1", package: "swift-nio")

let package = Package(
    name: "lispd",
    products: [
        .executable(name: "lispd", targets: ["lispd"]),
        .executable(name: "lispctl", targets: ["lispctl"]),
        .library(name: "AgentX", targets: ["AgentX"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.1", traits: []),
    ],
    targets: [
        // Bytes and values.
        .target(name: "LISPWire", dependencies: [crypto], swiftSettings: settings),
        .target(name: "PacketView", swiftSettings: settings),
        // What the control plane tells the data plane: values and integer ids only.
        .target(name: "ForwardingInterface", dependencies: ["LISPWire"], swiftSettings: settings),

        // What the host's rules and routes should be.
        .target(name: "HostRouting", dependencies: ["LISPWire"], swiftSettings: settings),

        // Linux, wrapped once.
        .systemLibrary(
            name: "CNetlink",
            pkgConfig: "libnl-route-3.0",
            providers: [.apt(["libnl-3-dev", "libnl-route-3-dev"])]
        ),
        .target(name: "CLinux", cSettings: [.define("_GNU_SOURCE")]),
        .target(
            name: "LinuxNetwork",
            dependencies: ["CLinux", "CNetlink", "HostRouting", "LISPWire"],
            swiftSettings: settings
        ),
        // Tables, roles, packets.
        .target(
            name: "LISPTables",
            dependencies: [
                "LISPWire", "ForwardingInterface", .product(name: "HeapModule", package: "swift-collections"),
            ],
            swiftSettings: settings
        ),
        .target(
            name: "LISPControl",
            dependencies: ["LISPWire", "LISPTables", "ForwardingInterface"],
            swiftSettings: settings
        ),
        .target(
            name: "DataPlane",
            dependencies: ["ForwardingInterface", "LISPWire", "PacketView", "LinuxNetwork", "CLinux"],
            swiftSettings: settings
        ),

        // SNMP subagents for any daemon.
        .target(name: "AgentX", dependencies: [nioCore, nioPosix], swiftSettings: settings),
        .executableTarget(
            name: "agentx-example",
            dependencies: ["AgentX", nioCore, nioPosix],
            swiftSettings: settings
        ),
        .executableTarget(
            name: "agentx-test-agent",
            dependencies: ["AgentX", arguments, nioCore, nioPosix],
            swiftSettings: settings
        ),

        // The operator's side.
        .target(
            name: "LISPConfiguration",
            dependencies: ["LISPWire", .product(name: "Yams", package: "Yams")],
            swiftSettings: settings
        ),
        .target(name: "ManagementAPI", swiftSettings: settings),
        .target(
            name: "ManagedObjects",
            dependencies: ["AgentX", "ForwardingInterface", "LISPWire"],
            swiftSettings: settings
        ),
        .target(
            name: "Management",
            dependencies: [
                "ManagementAPI",
                .product(name: "Hummingbird", package: "hummingbird"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                logging, nioCore,
            ],
            swiftSettings: settings
        ),

        .executableTarget(
            name: "lispd",
            dependencies: [
                "LISPWire", "LISPTables", "LISPControl", "ForwardingInterface", "DataPlane", "LinuxNetwork",
                "HostRouting", "LISPConfiguration", "ManagementAPI", "Management", "ManagedObjects", "AgentX",
                arguments, logging, nioCore, nioPosix,
            ],
            swiftSettings: settings
        ),
        .systemLibrary(name: "CPcap", pkgConfig: "libpcap", providers: [.apt(["libpcap-dev"])]),
        .executableTarget(
            name: "lispctl",
            dependencies: [
                "LISPWire", "PacketView", "LISPConfiguration", "ManagementAPI", "CPcap", arguments, nioCore, nioPosix,
                nioHTTP,
            ],
            swiftSettings: settings
        ),

        // Many routers in one process on a virtual clock: what proves LISPControl, by itself and in tests.
        .target(
            name: "SimulatedNetwork",
            dependencies: [
                "LISPControl", "LISPTables", "LISPWire", "ForwardingInterface",
                .product(name: "HeapModule", package: "swift-collections"),
            ],
            swiftSettings: settings
        ),
        .executableTarget(name: "lispsim", dependencies: ["SimulatedNetwork", "LISPTables"], swiftSettings: settings),

        // What it costs; `make bench`.
        .target(name: "CAllocationCounter", path: "Benchmarks/CAllocationCounter"),
        .executableTarget(
            name: "lispd-bench",
            dependencies: [
                "LISPWire", "LISPTables", "LISPControl", "ForwardingInterface", "DataPlane", "LinuxNetwork",
                "HostRouting",
                "CAllocationCounter", arguments,
            ],
            path: "Benchmarks/lispd-bench",
            swiftSettings: settings
        ),

        // Packets of other implementations, for the tests of several targets.
        .target(
            name: "TestCaptures",
            dependencies: ["LISPWire"],
            path: "Tests/TestCaptures",
            swiftSettings: settings
        ),
        // Randomness that repeats from a seed.
        .target(name: "TestRandomness", path: "Tests/TestRandomness", swiftSettings: settings),
        .testTarget(
            name: "LISPWireTests",
            dependencies: ["LISPWire", "TestCaptures", "TestRandomness"],
            swiftSettings: settings
        ),
        .testTarget(name: "PacketViewTests", dependencies: ["PacketView"], swiftSettings: settings),
        .testTarget(
            name: "LinuxNetworkTests",
            dependencies: ["LinuxNetwork", "HostRouting", "LISPWire"],
            swiftSettings: settings
        ),
        .testTarget(name: "HostRoutingTests", dependencies: ["HostRouting", "LISPWire"], swiftSettings: settings),
        .testTarget(name: "LISPTablesTests", dependencies: ["LISPTables", "LISPWire"], swiftSettings: settings),
        .testTarget(
            name: "LISPControlTests",
            dependencies: [
                "LISPControl", "LISPTables", "LISPWire", "ForwardingInterface", "SimulatedNetwork", "TestCaptures",
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "SimulatedNetworkTests",
            dependencies: [
                "SimulatedNetwork", "lispsim", "LISPControl", "LISPTables", "LISPWire", "ForwardingInterface",
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "DataPlaneTests",
            dependencies: ["DataPlane", "ForwardingInterface", "LISPWire", "LinuxNetwork", "PacketView"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "ManagedObjectsTests",
            dependencies: ["ManagedObjects", "AgentX", "ForwardingInterface", "LISPWire", "TestRandomness"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "AgentXTests",
            dependencies: ["AgentX", "TestRandomness", nioCore, nioPosix],
            swiftSettings: settings
        ),
        .testTarget(
            name: "LISPConfigurationTests",
            dependencies: ["LISPConfiguration", "LISPWire"],
            swiftSettings: settings
        ),
        .testTarget(
            name: "ManagementTests",
            dependencies: ["ManagementAPI", "Management", logging, nioPosix],
            swiftSettings: settings
        ),
        .testTarget(
            name: "lispdTests",
            dependencies: [
                "lispd", "LISPConfiguration", "LISPControl", "LISPTables", "LISPWire", "ForwardingInterface",
                "DataPlane",
                "Management", "ManagementAPI", "ManagedObjects",
            ],
            swiftSettings: settings
        ),
        .testTarget(
            name: "lispctlTests",
            dependencies: ["lispctl", "ManagementAPI", "LISPWire", "PacketView", arguments],
            swiftSettings: settings
        ),
    ],
    swiftLanguageModes: [.v6]
)

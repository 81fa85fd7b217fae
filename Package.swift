// swift-tools-version: 6.2
import PackageDescription

// CI turns warnings into errors; a developer's build only prints them.
let inCI = Context.environment["CI"] != nil

let settings: [SwiftSetting] =
  [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
  ] + (inCI ? [.treatAllWarnings(as: .error)] : [])

// Tests are not timed, so the optimiser need not run over them. Only a root package may have such
// flags; no product holds a test target.
let testSettings = settings + [.unsafeFlags(["-Onone"], .when(configuration: .release))]

extension Target.Dependency {
  static let argumentParser = product(name: "ArgumentParser", package: "swift-argument-parser")
  static let asyncHTTPClient = product(name: "AsyncHTTPClient", package: "async-http-client")
  static let coreMetrics = product(name: "CoreMetrics", package: "swift-metrics")
  static let crypto = product(name: "Crypto", package: "swift-crypto")
  static let deque = product(name: "DequeModule", package: "swift-collections")
  static let hashTrees = product(name: "HashTreeCollections", package: "swift-collections")
  static let grdb = product(name: "GRDB", package: "GRDB.swift")
  static let grpcCore = product(name: "GRPCCore", package: "grpc-swift-2")
  static let grpcNIO = product(name: "GRPCNIOTransportHTTP2", package: "grpc-swift-nio-transport")
  static let grpcProtobuf = product(name: "GRPCProtobuf", package: "grpc-swift-protobuf")
  static let httpTypes = product(name: "HTTPTypes", package: "swift-http-types")
  static let logging = product(name: "Logging", package: "swift-log")
  static let metrics = product(name: "Metrics", package: "swift-metrics")
  static let nioCore = product(name: "NIOCore", package: "swift-nio")
  static let nioPosix = product(name: "NIOPosix", package: "swift-nio")
  static let nioSSL = product(name: "NIOSSL", package: "swift-nio-ssl")
  static let nioHTTP1 = product(name: "NIOHTTP1", package: "swift-nio")
  static let nioWebSocket = product(name: "NIOWebSocket", package: "swift-nio")
  static let serviceLifecycle = product(
    name: "ServiceLifecycle", package: "swift-service-lifecycle")
  static let subprocess = product(name: "Subprocess", package: "swift-subprocess")
  // What swift-subprocess names files with; Apple's platforms have it in System.
  static let systemPackage = product(
    name: "SystemPackage", package: "swift-system", condition: .when(platforms: [.linux]))
  static let swiftProtobuf = product(name: "SwiftProtobuf", package: "swift-protobuf")
  static let unixSignals = product(name: "UnixSignals", package: "swift-service-lifecycle")
}

let package = Package(
  name: "plumise-petals-e2e",
  platforms: [.macOS(.v15)],
  // A product holds every target that its public interface names: Scripts/check-layers.py checks it.
  products: [
    .library(
      name: "PlumiseTesting",
      targets: [
        "PlumiseTesting", "AsyncPrimitives", "Bloom", "ChainAgent", "EthereumClient",
        "EVM", "EthereumPrimitives", "InferenceMetrics", "JSONValues", "MockGateway", "MockOracle",
        "MockServing", "MockWeb3", "OracleReporter", "PetalsNode", "PlumiseWire", "SystemErrors",
        "TextKeys",
      ]),
    .library(
      name: "PetalsNode",
      targets: [
        "PetalsNode", "Bloom", "EthereumPrimitives", "InferenceMetrics", "JSONValues",
        "MockServing", "PlumiseWire", "SystemErrors", "TextKeys",
      ]),
    .library(
      name: "PetalsSwarm",
      targets: [
        "PetalsSwarm", "Bloom", "EthereumPrimitives", "InferenceMetrics", "JSONValues",
        "MockServing", "PetalsNode", "PlumiseWire", "SystemErrors", "TextKeys",
      ]),
    .library(
      name: "PlumiseSwarmTesting",
      targets: [
        "PlumiseSwarmTesting", "PlumiseTesting", "PetalsSwarm", "AsyncPrimitives", "Bloom",
        "ChainAgent", "EthereumClient", "EVM", "EthereumPrimitives", "InferenceMetrics",
        "JSONValues", "MockGateway", "MockOracle", "MockServing", "MockWeb3", "OracleReporter",
        "PetalsNode", "PlumiseWire", "SystemErrors", "TextKeys",
      ]),
    .library(
      name: "OracleReporter",
      targets: [
        "OracleReporter", "AsyncPrimitives", "EthereumPrimitives", "InferenceMetrics", "JSONValues",
        "PlumiseWire", "SystemErrors",
      ]),
    .library(
      name: "ChainAgent",
      targets: [
        "ChainAgent", "AsyncPrimitives", "EthereumClient", "EthereumPrimitives", "JSONValues",
        "PlumiseWire", "SystemErrors",
      ]),
    .library(
      name: "MockOracle",
      targets: [
        "MockOracle", "AsyncPrimitives", "EthereumClient", "EthereumPrimitives", "JSONValues",
        "MockServing", "PlumiseWire", "SystemErrors", "TextKeys",
      ]),
    .library(
      name: "MockWeb3",
      targets: [
        "MockWeb3", "EVM", "EthereumPrimitives", "JSONValues", "MockServing", "PlumiseWire",
        "SystemErrors", "TextKeys",
      ]),
    .library(name: "Bloom", targets: ["Bloom", "TextKeys"]),
    .library(name: "EVM", targets: ["EVM", "EthereumPrimitives"]),
    .library(
      name: "EthereumClient",
      targets: [
        "EthereumClient", "AsyncPrimitives", "EthereumPrimitives", "JSONValues", "PlumiseWire",
        "SystemErrors",
      ]),
    .library(name: "EthereumPrimitives", targets: ["EthereumPrimitives"]),
    .library(
      name: "MockGateway",
      targets: [
        "MockGateway", "EthereumPrimitives", "JSONValues", "MockServing",
        "PlumiseWire", "TextKeys",
      ]),
    .executable(name: "petals-e2e", targets: ["petals-e2e"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-collections.git", from: "1.6.0"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
    .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/apple/swift-metrics", from: "2.13.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.2"),
    .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.6"),
    .package(url: "https://github.com/apple/swift-protobuf", from: "1.39.0", traits: []),
    .package(url: "https://github.com/apple/swift-system", from: "1.8.1"),
    .package(url: "https://github.com/groue/GRDB.swift", from: "7.10.0"),
    .package(url: "https://github.com/grpc/grpc-swift-2", from: "2.4.3"),
    .package(url: "https://github.com/grpc/grpc-swift-nio-transport", from: "2.9.2"),
    .package(url: "https://github.com/grpc/grpc-swift-protobuf", from: "2.4.1"),
    .package(url: "https://github.com/swift-server/async-http-client", from: "1.37.0"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
    .package(url: "https://github.com/swiftlang/swift-subprocess", from: "1.0.2"),
  ],
  targets: [
    // Layer 0: the system libraries, one module map each, and our own C kernels.
    .systemLibrary(
      name: "CBLAS", pkgConfig: "blas",
      providers: [.apt(["libblas-dev", "libopenblas0-pthread"]), .brew(["openblas"])]),
    .systemLibrary(
      name: "CSecp256k1", pkgConfig: "libsecp256k1",
      providers: [.apt(["libsecp256k1-dev"]), .brew(["secp256k1"])]),
    .systemLibrary(
      name: "COpenSSL", pkgConfig: "libcrypto",
      providers: [.apt(["libssl-dev"]), .brew(["openssl@3"])]),
    .systemLibrary(
      name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"]), .brew(["zlib"])]),
    .systemLibrary(
      name: "CBrotli", pkgConfig: "libbrotlidec",
      providers: [.apt(["libbrotli-dev"]), .brew(["brotli"])]),
    .target(name: "AsyncPrimitives", dependencies: [.deque]),
    .target(name: "BloomKernels"),
    .target(name: "EthereumPrimitives", dependencies: ["CSecp256k1", "COpenSSL"]),
    .target(name: "SystemErrors"),
    .target(name: "TextKeys"),
    .target(name: "Inflate", dependencies: ["CBrotli", "CZlib"]),
    .target(name: "JSONValues", dependencies: ["TextKeys"]),

    // Layer 1: the model, and the words that programs exchange.
    .target(
      name: "Bloom",
      dependencies: [
        "AsyncPrimitives", "CBLAS", "BloomKernels", "JSONValues", "SystemErrors", "TextKeys",
        .crypto, .deque,
      ]),
    .target(name: "PlumiseWire", dependencies: ["EthereumPrimitives", "JSONValues"]),
    .target(name: "EVM", dependencies: ["EthereumPrimitives"]),
    .target(name: "TorchArchive", dependencies: ["Inflate"]),
    // As the page's, its files are in the program itself.
    .target(
      name: "ReportPages", dependencies: ["JSONValues"],
      resources: [.embedInCode("Resources/report.css")]),

    // Layer 2: what the parts are built from.
    .target(
      name: "PipelineRPC",
      dependencies: ["TorchArchive", .grpcCore, .grpcProtobuf, .swiftProtobuf],
      exclude: ["Protos", "generate.sh"]),
    .target(
      name: "InferenceMetrics",
      dependencies: ["AsyncPrimitives", "PlumiseWire", "SystemErrors", .metrics]),
    .target(name: "OutgoingHTTP", dependencies: [.asyncHTTPClient, .nioCore]),
    .target(
      name: "EthereumClient",
      dependencies: [
        "AsyncPrimitives", "EthereumPrimitives", "OutgoingHTTP", "PlumiseWire", "SystemErrors",
        .asyncHTTPClient, .nioCore, .nioHTTP1, .nioPosix,
      ]),
    .target(
      name: "EVMConformance",
      dependencies: ["EVM", "EthereumPrimitives", "Inflate", "JSONValues", "PlumiseWire"]),
    .target(
      name: "MockServing",
      dependencies: [
        "AsyncPrimitives", "JSONValues", "TextKeys", .httpTypes, .logging, .nioCore, .nioHTTP1,
        .nioPosix, .nioWebSocket,
      ]),

    // Layer 3: the parts themselves.
    .target(
      name: "PetalsNode",
      dependencies: [
        "AsyncPrimitives", .deque,
        "Bloom", "PipelineRPC", "InferenceMetrics", "PlumiseWire", "EthereumPrimitives",
        "MockServing", .grpcCore, .grpcNIO, .httpTypes, .logging, .nioCore, .nioPosix,
        .serviceLifecycle,
      ]),
    .target(
      name: "OracleReporter",
      dependencies: [
        "AsyncPrimitives", "InferenceMetrics", "OutgoingHTTP", "PlumiseWire", "EthereumPrimitives",
        "SystemErrors", .asyncHTTPClient, .logging, .nioCore, .nioHTTP1, .nioSSL, .serviceLifecycle,
      ]),
    .target(
      name: "ChainAgent",
      dependencies: [
        "AsyncPrimitives",
        "EthereumClient", "PlumiseWire", "EthereumPrimitives", .logging, .serviceLifecycle,
      ]),
    .target(
      name: "MockOracle",
      dependencies: [
        "AsyncPrimitives", .deque,
        "MockServing", "PlumiseWire", "EthereumPrimitives", "EthereumClient", "Inflate",
        "SystemErrors", "TextKeys", .crypto, .httpTypes, .grdb, .logging, .nioCore,
      ]),
    .target(
      name: "MockWeb3",
      dependencies: [
        "AsyncPrimitives", "EVM", "EthereumClient", .deque, .hashTrees,
        "MockServing", "PlumiseWire", "EthereumPrimitives", "SystemErrors", .httpTypes, .logging,
        .nioCore,
      ]),

    .target(
      name: "MockGateway",
      dependencies: [
        "AsyncPrimitives", "EthereumPrimitives", "JSONValues", "MockServing", "OutgoingHTTP",
        "PlumiseWire", .asyncHTTPClient, .httpTypes, .logging, .nioCore, .nioHTTP1,
      ]),

    // The files of the page are in the program itself: it may be copied anywhere.
    .target(
      name: "NetworkWatch",
      dependencies: [
        "AsyncPrimitives", "JSONValues", "MockServing", "ReportPages", "TextKeys", .httpTypes,
      ],
      resources: ["page.html", "page.css", "page.js", "model.js", "views.js"].map {
        .embedInCode("Resources/\($0)")
      }),

    // Layer 4: a network beyond one machine.
    .target(
      name: "PetalsSwarm",
      dependencies: [
        "AsyncPrimitives", "Bloom", "EthereumPrimitives", "PetalsNode", "SystemErrors", .crypto,
        .deque, .logging,
        .nioCore, .nioPosix, .subprocess, .swiftProtobuf, .systemPackage,
      ],
      exclude: ["Protos", "generate.sh"]),

    // Layer 5: what people use.
    .target(
      name: "PlumiseTesting",
      dependencies: [
        "AsyncPrimitives", "JSONValues", "PetalsNode", "OracleReporter", "ChainAgent",
        "MockGateway",
        "MockOracle", "MockWeb3", "NetworkWatch", "Bloom", "ReportPages",
        "InferenceMetrics", "EthereumClient", "EthereumPrimitives", "PlumiseWire",
        "MockServing", "OutgoingHTTP", "SystemErrors", .asyncHTTPClient, .httpTypes, .logging,
        .nioCore, .nioPosix,
      ]),
    .target(
      name: "PlumiseSwarmTesting",
      dependencies: [
        "AsyncPrimitives", "EthereumPrimitives", "PetalsNode", "PetalsSwarm", "PlumiseTesting",
        .logging, .subprocess, .systemPackage,
      ]),
    .executableTarget(
      name: "petals-e2e",
      dependencies: [
        "AsyncPrimitives", "JSONValues",
        "PetalsNode", "PetalsSwarm", "OracleReporter", "ChainAgent", "MockOracle", "MockWeb3",
        "Bloom",
        "InferenceMetrics", "EthereumClient", "EthereumPrimitives", "PlumiseWire", "MockGateway",
        "MockServing", "NetworkWatch", "OutgoingHTTP", "PlumiseTesting", "ReportPages",
        "SystemErrors", "TextKeys",
        "EVM", "EVMConformance", .httpTypes,
        .argumentParser,
        .asyncHTTPClient, .crypto, .logging, .nioCore, .nioHTTP1, .nioPosix, .subprocess,
        .systemPackage,
      ],
      resources: [.embedInCode("Bench/Resources/compared.py")]),

    // Golden data made with other implementations.
    .target(
      name: "TestVectors", dependencies: ["AsyncPrimitives"], path: "Tests/TestVectors",
      exclude: ["Scripts"],
      resources: [
        .copy("ethereum.json"), .copy("ethereum-tests.json"), .copy("chain.json"),
        .copy("bloom"), .copy("evm"), .copy("oracle-deployed.jsonl.gz"), .copy("tokenizers"),
        .copy("swarm.json"), .copy("swarm-balance.json"), .copy("torch-archives.json"),
        .copy("words.json"), .copy("eip712.json"),
      ]),

    // Helpers that two or more test targets need.
    .target(
      name: "TestSupport",
      dependencies: [
        "AsyncPrimitives", "EthereumClient", "EthereumPrimitives", "InferenceMetrics", "MockOracle",
        "MockServing", "MockWeb3", "OracleReporter", "PlumiseTesting", "PlumiseWire",
        "SystemErrors", "TestVectors", .asyncHTTPClient, .httpTypes, .logging, .nioCore, .nioHTTP1,
        .nioPosix,
      ],
      path: "Tests/TestSupport"),

    // Each part has its tests; PetalsE2ETests takes them all together.
    .testTarget(
      name: "AsyncPrimitivesTests", dependencies: ["AsyncPrimitives", "PlumiseTesting"]),
    .testTarget(name: "JSONValuesTests", dependencies: ["JSONValues", "TestVectors"]),
    .testTarget(
      name: "EthereumPrimitivesTests",
      dependencies: ["AsyncPrimitives", "EthereumPrimitives", "TestVectors"]),
    .testTarget(
      name: "PlumiseWireTests",
      dependencies: ["AsyncPrimitives", "EthereumPrimitives", "PlumiseWire", "TestVectors"]),
    .testTarget(
      name: "EVMTests",
      dependencies: [
        "EVM", "EVMConformance", "EthereumPrimitives", "PlumiseWire", "TestVectors",
      ]),
    .testTarget(
      name: "TorchArchiveTests",
      dependencies: ["AsyncPrimitives", "Inflate", "TestVectors", "TorchArchive"]),
    .testTarget(
      name: "ReportPagesTests", dependencies: ["JSONValues", "ReportPages"]),
    .testTarget(
      name: "BloomTests",
      dependencies: [
        "Bloom", "BloomKernels", "TestSupport", "TestVectors", "TextKeys",
      ]),
    .testTarget(
      name: "InferenceMetricsTests",
      dependencies: [
        "InferenceMetrics", "EthereumPrimitives", "MockOracle", "OracleReporter", "PlumiseTesting",
        "PlumiseWire", "SystemErrors", "TestSupport", .coreMetrics, .logging,
      ]),
    .testTarget(
      name: "EthereumClientTests",
      dependencies: [
        "EthereumClient", "EthereumPrimitives", "MockServing", "MockWeb3", "PlumiseTesting",
        "PlumiseWire", "TestSupport",
      ]),
    .testTarget(
      name: "MockServingTests",
      dependencies: [
        "MockServing", "PlumiseTesting", "PlumiseWire", "TestSupport", "TextKeys", .asyncHTTPClient,
        .httpTypes, .nioCore, .nioHTTP1, .nioPosix,
      ]),
    .testTarget(
      name: "PetalsNodeTests",
      dependencies: [
        "AsyncPrimitives",
        "PetalsNode", "Bloom", "EthereumPrimitives", "InferenceMetrics", "MockServing",
        "PipelineRPC", "PlumiseTesting", "PlumiseWire", "TestSupport", "TestVectors",
        "TorchArchive",
        .asyncHTTPClient, .grpcCore, .grpcNIO, .logging, .nioCore, .nioHTTP1, .nioPosix,
        .serviceLifecycle,
      ]),
    .testTarget(
      name: "PetalsSwarmTests",
      dependencies: [
        "AsyncPrimitives", "Bloom", "InferenceMetrics", "PetalsNode", "PetalsSwarm",
        "PlumiseTesting", "TestSupport", "TestVectors",
        .nioCore, .nioPosix, .swiftProtobuf,
      ]),
    .testTarget(
      name: "OracleReporterTests",
      dependencies: [
        "AsyncPrimitives",
        "OracleReporter", "EthereumPrimitives", "InferenceMetrics", "MockOracle", "MockServing",
        "PlumiseTesting", "PlumiseWire", "SystemErrors", "TestSupport", .httpTypes,
        .logging, .nioCore, .nioHTTP1, .nioPosix, .nioSSL, .serviceLifecycle,
      ]),
    .testTarget(
      name: "ChainAgentTests",
      dependencies: [
        "AsyncPrimitives",
        "ChainAgent", "EthereumClient", "EthereumPrimitives", "MockServing", "MockWeb3",
        "PlumiseTesting", "PlumiseWire", "TestSupport",
      ]),
    .testTarget(
      name: "MockOracleTests",
      dependencies: [
        "AsyncPrimitives", "MockOracle", "EthereumClient", "EthereumPrimitives", "Inflate",
        "MockServing", "MockWeb3", "PlumiseTesting", "PlumiseWire", "SystemErrors", "TestSupport",
        "TestVectors",
        .asyncHTTPClient, .grdb, .httpTypes, .nioCore, .nioHTTP1,
      ]),
    .testTarget(
      name: "MockGatewayTests",
      dependencies: [
        "Bloom", "MockGateway", "EthereumPrimitives", "MockOracle", "MockServing", "PetalsNode",
        "PlumiseTesting", "PlumiseWire", "TestSupport", "TestVectors", .httpTypes,
      ]),
    .testTarget(
      name: "MockWeb3Tests",
      dependencies: [
        "AsyncPrimitives", "EVM", "EVMConformance",
        "MockWeb3", "ChainAgent", "EthereumClient", "EthereumPrimitives", "MockServing",
        "PlumiseTesting", "PlumiseWire", "SystemErrors", "TestSupport", "TestVectors", .httpTypes,
      ]),
    .testTarget(
      name: "NetworkWatchTests",
      dependencies: [
        "AsyncPrimitives", "JSONValues", "MockServing", "NetworkWatch", "ReportPages",
        "TestSupport", .httpTypes,
      ]),
    .testTarget(
      name: "PlumiseTestingTests",
      dependencies: [
        "AsyncPrimitives", "PlumiseTesting", "Bloom", "ChainAgent", "EthereumClient", "MockServing",
        "EthereumPrimitives",
        "MockWeb3", "PetalsNode", "PlumiseWire", "TestSupport", .httpTypes, .nioCore, .nioPosix,
      ]),
    .testTarget(
      name: "PlumiseSwarmTestingTests",
      dependencies: [
        "AsyncPrimitives", "Bloom", "PetalsNode", "PetalsSwarm", "PlumiseSwarmTesting",
        "PlumiseTesting", "TestSupport", .subprocess,
      ]),
    .testTarget(
      name: "PetalsE2ETests",
      dependencies: [
        "Bloom", "ChainAgent", "EthereumClient", "EthereumPrimitives", "InferenceMetrics",
        "MockGateway", "MockOracle", "MockServing", "MockWeb3", "OracleReporter", "PetalsNode",
        "PlumiseTesting", "PlumiseWire", "TestSupport", "TestVectors", .httpTypes, .logging,
      ]),
    .testTarget(
      name: "CommandTests",
      dependencies: [
        "petals-e2e", "AsyncPrimitives", "Bloom", "EVMConformance", "EthereumClient",
        "EthereumPrimitives", "InferenceMetrics", "MockServing", "OracleReporter", "PetalsNode",
        "PlumiseWire", "SystemErrors", "TestSupport", "TestVectors", .crypto, .httpTypes,
        .nioCore, .subprocess, .systemPackage,
      ]),
    .testTarget(
      name: "DocumentationTests",
      dependencies: [
        "PlumiseTesting", "ChainAgent", "EVM", "EthereumClient", "EthereumPrimitives",
        "MockServing", "MockWeb3", "PetalsNode", "PlumiseSwarmTesting", "PlumiseWire", .logging,
        .serviceLifecycle, .unixSignals,
      ]),
  ]
)

for target in package.targets {
  switch target.type {
  case .regular, .executable: target.swiftSettings = settings
  case .test: target.swiftSettings = testSettings
  default: break
  }
}

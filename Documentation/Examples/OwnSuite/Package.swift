// swift-tools-version: 6.2
import PackageDescription

// A suite outside of this package, which it knows by its products alone.
let package = Package(
  name: "OwnSuite",
  platforms: [.macOS(.v15)],
  dependencies: [
    // Elsewhere: .package(path: "../plumise-petals-e2e"). The name is said because a clone's folder
    // may have another.
    .package(name: "plumise-petals-e2e", path: "../../.."),
    .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
    .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.13.0"),
  ],
  targets: [
    .testTarget(
      name: "OwnSuiteTests",
      dependencies: [.product(name: "PlumiseTesting", package: "plumise-petals-e2e")]),
    // The Swift of README.md and the documentation: a link to Tests/DocumentationTests.
    .testTarget(
      name: "SnippetTests",
      dependencies: [
        .product(name: "ChainAgent", package: "plumise-petals-e2e"),
        .product(name: "EVM", package: "plumise-petals-e2e"),
        .product(name: "MockWeb3", package: "plumise-petals-e2e"),
        .product(name: "PlumiseTesting", package: "plumise-petals-e2e"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
        .product(name: "UnixSignals", package: "swift-service-lifecycle"),
      ]),
  ],
  swiftLanguageModes: [.v6]
)

for target in package.targets {
  target.swiftSettings = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .treatAllWarnings(as: .error),
  ]
}

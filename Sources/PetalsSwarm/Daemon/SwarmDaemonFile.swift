public import Foundation

/// Where p2pd is, the libp2p daemon that every peer of a swarm runs.
public enum SwarmDaemonFile {
  /// The variable that names it.
  public static let variable = "PETALS_P2PD"

  /// Finds p2pd.
  ///
  /// Looked for in this order: the file given, `$PETALS_P2PD`, each folder of `$PATH`, and where
  /// `make deps-swarm` puts it (`petals-e2e/p2pd` in `$XDG_CACHE_HOME`, or in `~/.cache`).
  /// - Parameters:
  ///   - path: The file to take; nil looks for one.
  ///   - environment: The variables.
  /// - Throws: ``SwarmError/Code/daemonMissing`` with what to do.
  public static func find(
    _ path: String? = nil, environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws(SwarmError) -> URL {
    for (named, source) in [(path, "--p2pd"), (environment[variable], "$\(variable)")] {
      guard let named, !named.isEmpty else { continue }
      guard isExecutable(named) else {
        throw SwarmError(
          .daemonMissing, "\(source) names \(named), which is no program: run `make deps-swarm`")
      }
      return URL(filePath: named)
    }
    let folders = (environment["PATH"] ?? "").split(separator: ":").map(String.init)
    let cache =
      environment["XDG_CACHE_HOME"] ?? "\(environment["HOME"] ?? NSHomeDirectory())/.cache"
    for file in folders.map({ "\($0)/p2pd" }) + ["\(cache)/petals-e2e/p2pd"]
    where isExecutable(file) {
      return URL(filePath: file)
    }
    throw SwarmError(
      .daemonMissing,
      "p2pd is neither in $PATH nor in \(cache)/petals-e2e: run `make deps-swarm`, or name it "
        + "with --p2pd")
  }

  private static func isExecutable(_ path: String) -> Bool {
    var isFolder: ObjCBool = false
    return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
      && !isFolder.boolValue && FileManager.default.isExecutableFile(atPath: path)
  }
}

import Foundation

/// What a process holds at a moment, from Linux's /proc.
struct ProcessSample: Sendable {
  /// Memory of its own, which no file backs, in MiB: what a leak makes grow.
  let anonymousMebibytes: Double
  /// Memory in all, mapped files included, in MiB.
  let residentMebibytes: Double
  let descriptors: Int
  let threads: Int
  /// The time that it has computed, on all cores.
  let processorSeconds: Double

  /// Reads what a process holds; nil when it is gone, belongs to another user, or this is not
  /// Linux.
  init?(process: Int32) {
    let folder = "/proc/\(process)"
    guard let status = try? String(contentsOfFile: "\(folder)/status", encoding: .utf8),
      let descriptors = try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/fd"),
      let stat = try? String(contentsOfFile: "\(folder)/stat", encoding: .utf8)
    else { return nil }
    var fields: [Substring: Double] = [:]
    for line in status.split(separator: "\n") {
      let parts = line.split(whereSeparator: { $0 == ":" || $0.isWhitespace })
      if parts.count >= 2, let value = Double(parts[1]) { fields[parts[0]] = value }
    }
    // A process that has ended and is not collected has no memory.
    guard let anonymous = fields["RssAnon"], let resident = fields["VmRSS"],
      let threads = fields["Threads"]
    else { return nil }
    anonymousMebibytes = anonymous / 1024
    residentMebibytes = resident / 1024
    self.threads = Int(threads)
    self.descriptors = descriptors.count
    // Behind the name, which is in brackets and may hold blanks: state is the first field, utime
    // the twelfth.
    let rest = stat.drop { $0 != ")" }.split(separator: " ").dropFirst()
    let times = rest.dropFirst(11).prefix(2).compactMap { Double($0) }
    processorSeconds = times.reduce(0, +) / Double(sysconf(Int32(_SC_CLK_TCK)))
  }
}

/// Finds the processes behind addresses of this machine (Linux).
enum ListeningProcess {
  /// The process that listens on a port of this machine; nil where none is found: on another
  /// machine or system, or when it belongs to another user.
  static func id(url: String) -> Int32? {
    guard let url = URL(string: url), let host = url.host(), let port = url.port,
      ["127.0.0.1", "localhost", "::1", "[::1]", "0.0.0.0"].contains(host)
    else { return nil }
    // The system's tables are read in pieces, and change between them: where connections come and go, a row may
    // be missed.
    for _ in 0..<10 {
      if let process = process(listeningOn: port) { return process }
    }
    return nil
  }

  private static func process(listeningOn port: Int) -> Int32? {
    let sockets = Set(
      ["/proc/net/tcp", "/proc/net/tcp6"].flatMap { listeningSockets(on: port, in: $0) })
    guard !sockets.isEmpty else { return nil }
    let processes = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return processes.compactMap { Int32($0) }.sorted().first { process in
      let folder = "/proc/\(process)/fd"
      let descriptors = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
      return descriptors.contains { descriptor in
        let path = "\(folder)/\(descriptor)"
        let target = try? FileManager.default.destinationOfSymbolicLink(atPath: path)
        return target.map(sockets.contains) ?? false
      }
    }
  }

  /// The names of sockets that listen on a port, as links to descriptors have them.
  private static func listeningSockets(on port: Int, in path: String) -> [String] {
    let suffix = ":" + String(format: "%04X", port)
    let table = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    return table.split(separator: "\n").dropFirst().compactMap { line in
      // sl, local address, remote address, state (0A listens), …, inode as the tenth field.
      let fields = line.split(separator: " ")
      guard fields.count > 9, fields[1].hasSuffix(suffix), fields[3] == "0A" else { return nil }
      return "socket:[\(fields[9])]"
    }
  }
}

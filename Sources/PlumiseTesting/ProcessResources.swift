#if os(Linux)
  import Foundation

  /// What a process holds, as Linux lists it in proc(5).
  struct ProcessResources: Sendable {
    /// The targets of open descriptors, by number: `socket:[4711]`, `/tmp/file`.
    let descriptors: [Int: String]
    /// The names of threads, by number.
    let threads: [Int: String]
    /// The names of child processes, by number.
    let children: [Int: String]
    /// The paths of files in the folder for temporary files.
    let files: Set<String>

    /// What this process holds now.
    static var current: ProcessResources {
      let tasks = numbers(in: "/proc/self/task")
      return ProcessResources(
        descriptors: named(numbers(in: "/proc/self/fd")) { number in
          let target = try? FileManager.default.destinationOfSymbolicLink(
            atPath: "/proc/self/fd/\(number)")
          // The list itself is read through one.
          return target.flatMap { $0.hasPrefix("/proc/") ? nil : $0 }
        },
        threads: named(tasks) { text("/proc/self/task/\($0)/comm") },
        children: named(
          tasks.flatMap { text("/proc/self/task/\($0)/children")?.split(separator: " ") ?? [] }
            .compactMap { Int($0) }
        ) { text("/proc/\($0)/comm") },
        // A folder that is not there, or goes meanwhile, has no files.
        files: Set(
          (try? FileManager.default.subpathsOfDirectory(
            atPath: FileManager.default.temporaryDirectory.path)) ?? []))
    }

    /// What the process holds more than before, each as a line.
    ///
    /// Connections that close and idle threads of pools need a moment: while there is anything, the process
    /// is looked at again.
    /// - Parameter limit: For how long.
    /// - Throws: `CancellationError`.
    static func leaks(
      since before: ProcessResources, within limit: Duration
    ) async throws -> [String] {
      let clock = ContinuousClock()
      let last = clock.now.advanced(by: limit)
      while true {
        let leaks = current.added(to: before)
        if leaks.isEmpty || clock.now > last { return leaks }
        try await clock.sleep(for: .milliseconds(20))
      }
    }

    /// What is here and was not before, each as a line; threads only where there are more of them, since pools
    /// replace theirs.
    func added(to before: ProcessResources) -> [String] {
      let opened = descriptors.filter { before.descriptors[$0.key] != $0.value }
      let begun = threads.filter { before.threads[$0.key] == nil }
      let born = children.filter { before.children[$0.key] == nil }
      var lines = opened.sorted { $0.key < $1.key }.map { "descriptor \($0.key) open: \($0.value)" }
      let surplus = threads.count - before.threads.count
      if surplus > 0 {
        let names = Set(begun.values).sorted().joined(separator: ", ")
        lines.append("\(surplus) threads running, among those that are new: \(names)")
      }
      lines += born.sorted { $0.key < $1.key }
        .map { "child process \($0.key) running: \($0.value)" }
      lines += files.subtracting(before.files).sorted().map { "temporary file \($0)" }
      return lines
    }

    /// The numbers that name a folder's entries; none where the process that it was of has ended.
    private static func numbers(in folder: String) -> [Int] {
      ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).compactMap { Int($0) }
    }

    /// What ends while it is looked at has no name any more, and is left out.
    private static func named(_ numbers: [Int], _ name: (Int) -> String?) -> [Int: String] {
      Dictionary(
        numbers.compactMap { number in name(number).map { (number, $0) } },
        uniquingKeysWith: { first, _ in first })
    }

    private static func text(_ path: String) -> String? {
      (try? String(contentsOfFile: path, encoding: .utf8))?
        .trimmingCharacters(in: .whitespacesAndNewlines)
    }
  }
#endif

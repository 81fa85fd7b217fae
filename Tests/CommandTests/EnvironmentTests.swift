import Bloom
import Foundation
import Testing

@Suite("Numbers in the environment", .timeLimit(.minutes(5)))
struct EnvironmentTests {
  /// What each variable that a target reads holds; a number has tests of its own here.
  private static let variables = [
    "BLOOM_THREADS": "number", "OPENBLAS_NUM_THREADS": "left to OpenBLAS",
    "OPENBLAS_CORETYPE": "left to OpenBLAS", "HF_ENDPOINT": "URL", "HF_TOKEN": "text",
    "HOME": "path", "XDG_CACHE_HOME": "path",
  ]

  @Test("Every variable that the sources read is known here")
  func everyVariable() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appending(path: "Sources")
    let files = try #require(
      FileManager.default.enumerator(at: root, includingPropertiesForKeys: nil))
    var found: Set<String> = []
    for case let file as URL in files
    where ["swift", "c", "h"].contains(file.pathExtension) {
      let text = try String(contentsOf: file, encoding: .utf8)
      for match in text.matches(of: /(?:nvironment\[|getenv\()"([A-Za-z0-9_]+)"/) {
        found.insert(String(match.1))
      }
      if text.contains("environment: [String: String]") {
        for match in text.matches(of: /folder\("([A-Z_]+)"\)/) { found.insert(String(match.1)) }
      }
    }
    #expect(found == Set(Self.variables.keys))
  }

  @Test("A number of threads is from 1 to 1024, and everything else is refused by its name")
  func threads() throws {
    for text in ExtremeNumbers.all where !text.isEmpty {
      let isNumber = Int(text).map { (1...1024).contains($0) } ?? false
      do throws(EnvironmentError) {
        let threads = try ComputePool.threadCount(text, cores: 2)
        #expect(isNumber && threads == Int(text), "\(text)")
      } catch {
        #expect(!isNumber, "\(text)")
        #expect(error.variable == "BLOOM_THREADS")
        #expect(error.description.contains("from 1 to 1024"))
      }
    }
    #expect(try ComputePool.threadCount("", cores: 2) == 2)
    #expect(try ComputePool.threadCount(nil, cores: 0) == 1)
  }

  private static let error = EnvironmentError(
    variable: "BLOOM_THREADS", expected: "a number", found: "x")
  /// For good: a pool's threads never end.
  private static let pool = ComputePool(threads: 1, refusal: error)

  @Test("A pool that was asked for no number of threads computes nothing")
  func pool() async throws {
    await #expect(throws: Self.error) { try await Self.pool.run { _ in 1 } }
    await #expect(throws: Self.error) { try await Self.pool.runSteps { _ in 1 } }
  }

  @Test(
    "The program refuses a number of threads that is none, with one line and status 2",
    arguments: ["0", "1025", "-1", "1.5", "nan", "18446744073709551617"])
  func program(_ threads: String) async throws {
    let tiny = GenerateTests.tiny
    for arguments in [
      ["generate", "--model", tiny, "--token-ids", "1"], ["bench", "--only", "chain"],
      ["node", "--model", tiny, "--blocks", "0-23", "--port", "0"], ["model", "inspect", tiny],
      ["up", "--ports", "auto"],
    ] {
      try await Command.run(arguments, with: ["BLOOM_THREADS": threads])
        .expectRefusal("BLOOM_THREADS", "from 1 to 1024", threads)
    }
  }

  @Test("A hub's address in the environment is refused by the variable's name")
  func hub() async throws {
    try await withTemporaryFolder { folder in
      for address in ["ftp://hub", "http://127.0.0.1:65536", "x"] {
        try await Command.run(
          ["model", "fetch", "a/b", "--out", folder.file("m")], with: ["HF_ENDPOINT": address]
        ).expectRefusal("HF_ENDPOINT", address)
      }
    }
  }
}

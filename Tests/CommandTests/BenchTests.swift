import Foundation
import PlumiseWire
import Testing

@Suite("petals-e2e bench", .timeLimit(.minutes(5)))
struct BenchTests {
  @Test("Figures come with the machine that they were taken on, and are figures")
  func fixtures() async throws {
    let result = try await Command.run(["bench", "--only", "fixtures", "--runs", "1", "--json"])
    #expect(result.status == .exited(0), "\(result.errors)")
    let report = try result.json()
    let rows = try #require(report["rows"]?.arrayValue)
    #expect(rows.count == 3)
    for row in rows {
      let median = try #require(row["median"]?.doubleValue)
      #expect(median > 0 && row["unit"]?.stringValue == "ms", "\(row.text)")
    }
    for field in ["processor", "kernels", "blas"] {
      #expect(report["machine"]?[field]?.stringValue?.isEmpty == false, "\(field)")
    }
  }

  @Test("Bytecode is measured without anything around it")
  func bytecode() async throws {
    let result = try await Command.run(["bench", "--only", "evm", "--runs", "1", "--json"])
    #expect(result.status == .exited(0), "\(result.errors)")
    let rows = try #require(try result.json()["rows"]?.arrayValue)
    #expect(rows.count == 6)
    for row in rows {
      let median = try #require(row["median"]?.doubleValue)
      #expect(median > 0 && row["unit"]?.stringValue?.hasSuffix("a second") == true, "\(row.text)")
    }
  }

  @Test("A model is measured in each type that was asked for, and compared with the first")
  func types() async throws {
    let result = try await Command.run([
      "bench", "--only", "inference", "--model", "tiny", "--dtype", "f32", "--dtype", "f16",
      "--dtype", "q8", "--runs", "1", "--json",
    ])
    #expect(result.status == .exited(0), "\(result.errors)")
    let rows = try #require(try result.json()["rows"]?.arrayValue)
    #expect(Set(rows.map { $0["dtype"]?.stringValue }) == ["F32", "F16", "Q8"])
    let errors = rows.filter { $0["name"]?.stringValue?.contains("at most") == true }
    #expect(errors.map { $0["dtype"]?.stringValue } == ["F16", "Q8"])
    let found = errors.compactMap { $0["median"]?.doubleValue }
    // Rounding to 16 bits is felt less than rounding to 8.
    #expect(found.count == 2 && found[0] > 0 && found[0] < found[1] && found[1] < 25)
  }

  @Test("BLOOM_THREADS decides how many threads compute")
  func threads() async throws {
    let result = try await Command.run(
      ["bench", "--only", "fixtures", "--runs", "1", "--json"], with: ["BLOOM_THREADS": "3"])
    #expect(try result.json()["machine"]?["threads"]?.integerValue == 3)
  }

  #if os(Linux) && arch(x86_64)
    @Test("A core type that the user chose for OpenBLAS is left alone")
    func coreType() async throws {
      let result = try await Command.run(
        ["bench", "--only", "fixtures", "--runs", "1", "--json"],
        with: ["OPENBLAS_CORETYPE": "Nehalem"])
      let blas = try #require(try result.json()["machine"]?["blas"]?.stringValue)
      #expect(blas.contains("Nehalem"))
    }
  #endif

  @Test("No run at all is refused")
  func refusals() async throws {
    try await Command.run("bench", "--runs", "0").expectRefusal("--runs")
    try await Command.run("bench", "--only", "weather").expectRefusal("--only")
  }
}

import PlumiseWire
import Subprocess
import TestSupport
import Testing
import petals_e2e

@Suite("petals-e2e scenario", .timeLimit(.minutes(5)))
struct ScenarioCommandTests {
  @Test("Two processes write the same history of the same seeds, and say that all were kept")
  func sameHistory() async throws {
    let call = ["scenario", "--seeds", "1-3", "--steps", "30"]
    let (first, second) = (try await Command.run(call), try await Command.run(call))
    #expect(first.status == .exited(0), "\(first.output)\(first.errors)")
    #expect(first.output == second.output)
    let lines = first.output.split(separator: "\n")
    #expect(lines.count == 4)
    #expect(lines.last == "3 of 3 kept every promise")
    for (line, seed) in zip(lines, 1...3) {
      #expect(line.wholeMatch(of: /seed (\d): 0x[0-9a-f]{64}/)?.1 == "\(seed)", "\(line)")
    }
    #expect(Set(lines).count == 4)
  }

  @Test("The history of a seed is written on demand, and some of its steps can be played alone")
  func history() async throws {
    let call = ["scenario", "--seed", "7", "--steps", "20", "--history", "--json"]
    let whole = try await Command.run(call)
    #expect(try whole.json() == ["kept": 1, "total": 1, "failing": []])
    #expect(whole.errors.contains(" step 19: "))
    let part = try await Command.run(call + ["--keep", "3,5"])
    #expect(try part.json() == ["kept": 1, "total": 1, "failing": []])
    let steps = part.errors.matches(of: #/step (\d+):/#).map { String($0.output.1) }
    #expect(steps == ["3", "5"])
    let none = try await Command.run(call + ["--keep", "none"])
    #expect(!none.errors.contains(" step "))
  }

  @Test("Seeds and steps that are none are refused by the option")
  func refusals() async throws {
    for seeds in ["5-1", "1", "1-", "a-b", "0-1000000"] {
      try await Command.run("scenario", "--seeds", seeds).expectRefusal("--seeds", "FIRST-LAST")
    }
    try await Command.run("scenario", "--seed", "1", "--seeds", "1-2").expectRefusal("not both")
    try await Command.run("scenario", "--keep", "1").expectRefusal("--keep", "--seed")
    try await Command.run("scenario", "--seed", "1", "--keep", "x").expectRefusal("--keep", "3,17")
    try await Command.run("scenario", "--nodes", "25").expectRefusal("--nodes", "24")
  }
}

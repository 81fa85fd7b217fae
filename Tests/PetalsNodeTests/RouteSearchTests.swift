import Bloom
import PetalsNode
import Testing

@Suite("The search for the quickest way")
struct RouteSearchTests {
  typealias Candidate = RouteSearch.Candidate

  private func candidate(
    _ name: String, _ blocks: Range<Int>, roundTrip: Int, step: Int
  ) throws -> Candidate {
    Candidate(
      peer: name, blocks: try LayerRange(blocks, of: 24), maximumLength: 2048,
      times: PeerTimes(
        roundTrip: .milliseconds(roundTrip), blockStep: .milliseconds(step)))
  }

  @Test("A second way there and back is worth it when the blocks are that much quicker")
  func tradeOff() throws {
    let slow = try candidate("slow", 0..<24, roundTrip: 1, step: 10)
    let near = try candidate("near", 12..<24, roundTrip: 100, step: 1)
    let far = try candidate("far", 12..<24, roundTrip: 110, step: 1)
    // 1 + 120 + 100 + 12 is less than 1 + 240, and 1 + 120 + 110 + 12 is not.
    #expect(RouteSearch([slow, near]).quickest(0..<24)?.map(\.peer) == ["slow", "near"])
    #expect(RouteSearch([slow, far]).quickest(0..<24)?.map(\.peer) == ["slow"])
  }

  @Test("Of equal ways the one with fewer nodes is taken, then the first that was named")
  func ties() throws {
    let a = try candidate("a", 0..<12, roundTrip: 0, step: 1)
    let b = try candidate("b", 12..<24, roundTrip: 0, step: 1)
    let whole = try candidate("whole", 0..<24, roundTrip: 0, step: 1)
    let twin = try candidate("twin", 0..<24, roundTrip: 0, step: 1)
    #expect(RouteSearch([a, b, whole, twin]).quickest(0..<24)?.map(\.peer) == ["whole"])
    #expect(RouteSearch([twin, whole, a, b]).quickest(0..<24)?.map(\.peer) == ["twin"])
  }

  @Test("A range in the middle is searched for alone, and the first gap is named")
  func middle() throws {
    let a = try candidate("a", 0..<10, roundTrip: 0, step: 1)
    let b = try candidate("b", 8..<14, roundTrip: 0, step: 2)
    let search = RouteSearch([a, b])
    #expect(search.quickest(3..<13)?.map(\.blocks.indices) == [3..<10, 10..<13])
    #expect(search.quickest(3..<15) == nil)
    #expect(search.firstGap(in: 3..<20) == 14..<20)
    #expect(search.firstGap(in: 0..<14) == nil)
  }

  @Test("No way is quicker than the one found, among all there are", arguments: 0..<60)
  func againstAll(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let candidates = try (0..<Int.random(in: 1...5, using: &random)).map { number in
      let lower = Int.random(in: 0..<5, using: &random)
      return try candidate(
        "peer \(number)", lower..<Int.random(in: lower + 1...6, using: &random),
        roundTrip: .random(in: 0...9, using: &random), step: .random(in: 0...5, using: &random))
    }
    let best = Self.least(from: 0, to: 6, candidates)
    let found = RouteSearch(candidates).quickest(0..<6)
    #expect((found == nil) == (best == nil))
    guard let found, let best else { return }
    let cost = try found.reduce(Duration.zero) { sum, hop in
      let times = try #require(candidates.first { $0.peer == hop.peer }).times
      return sum + times.cost(blocks: hop.blocks.count)
    }
    #expect(cost == best)
    #expect(
      found.map { $0.blocks.lowerBound } == [0] + found.dropLast().map { $0.blocks.upperBound })
    #expect(found.last?.blocks.upperBound == 6)
  }

  /// Tries every peer for every run of blocks.
  private static func least(from: Int, to end: Int, _ candidates: [Candidate]) -> Duration? {
    if from == end { return .zero }
    var best: Duration?
    for candidate in candidates where candidate.blocks.indices.contains(from) {
      for next in from + 1...min(end, candidate.blocks.upperBound) {
        guard let rest = least(from: next, to: end, candidates) else { continue }
        let cost = candidate.times.cost(blocks: next - from) + rest
        best = best.map { min($0, cost) } ?? cost
      }
    }
    return best
  }
}

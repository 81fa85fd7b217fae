import Bloom
import BloomKernels
import TestSupport
import Testing

@Suite("Key/value caches")
struct CacheTests {
  private func embedded(_ tokens: Int) throws -> HiddenStates {
    try Embedding(TinyModel.checkpoint())(TinyModel.prompt(tokens))
  }

  @Test("A cache accounts for its bytes")
  func bytes() async throws {
    let shard = try TinyModel.shard(0..<6)
    let cache = shard.makeCache(maximumLength: 10)
    // Keys and values, six blocks, 64 floats of four bytes.
    #expect(shard.bytesPerCachedToken == 2 * 6 * 64 * 4)
    #expect(cache.byteCount == 10 * shard.bytesPerCachedToken)
    #expect(cache.usedByteCount == 0)
    _ = try await shard.forward(embedded(3), cache: cache)
    #expect(cache.position == 3)
    #expect(cache.usedByteCount == 3 * shard.bytesPerCachedToken)
  }

  @Test("A truncated cache goes on as if the tokens had never been")
  func truncation() async throws {
    let shard = try TinyModel.shard(0..<3)
    let states = try embedded(9)
    let cache = shard.makeCache(maximumLength: 12)
    _ = try await shard.forward(states.slice(0..<5), cache: cache)
    let first = try await shard.forward(states.slice(5..<7), cache: cache)
    try cache.truncate(to: 5)
    #expect(cache.position == 5)
    _ = try await shard.forward(states.slice(7..<9), cache: cache)
    try cache.truncate(to: 5)
    let again = try await shard.forward(states.slice(5..<7), cache: cache)
    #expect(again == first)
  }

  @Test("A prompt longer than a chunk gives what its halves give")
  func chunks() async throws {
    let shard = try TinyModel.shard(0..<2)
    let states = try embedded(300)
    let whole = try await shard.forward(states)
    let cache = shard.makeCache(maximumLength: 300)
    let first = try await shard.forward(states.slice(0..<150), cache: cache)
    let second = try await shard.forward(states.slice(150..<300), cache: cache)
    expectClose(first.values + second.values, whole.values, tolerance: 2e-5, "halves")
  }

  @Test("A cache that would overflow refuses by name and stays as it is")
  func full() async throws {
    let shard = try TinyModel.shard(0..<1)
    let cache = shard.makeCache(maximumLength: 4)
    _ = try await shard.forward(embedded(3), cache: cache)
    await #expect(throws: CacheError.full(position: 3, tokens: 2, maximum: 4)) {
      try await shard.forward(embedded(2), cache: cache)
    }
    #expect(cache.position == 3)
    _ = try await shard.forward(embedded(1), cache: cache)
    #expect(cache.position == 4)
  }

  @Test("A cache of other blocks is refused by name")
  func otherBlocks() async throws {
    let cache = try TinyModel.shard(0..<1).makeCache(maximumLength: 4)
    await #expect(throws: CacheError.otherBlocks(expected: "1-2", found: "0-0")) {
      try await TinyModel.shard(1..<3).forward(embedded(2), cache: cache)
    }
  }

  @Test("A cache cannot be cut to more than it holds")
  func beyond() throws {
    let cache = try TinyModel.shard(0..<1).makeCache(maximumLength: 4)
    #expect(throws: CacheError.beyondPosition(requested: 1, position: 0)) {
      try cache.truncate(to: 1)
    }
    #expect(throws: CacheError.beyondPosition(requested: -1, position: 0)) {
      try cache.truncate(to: -1)
    }
  }

  @Test("One session twice in a batch is refused, and neither cache advances")
  func twice() async throws {
    let shard = try TinyModel.shard(0..<1)
    let other = shard.makeCache(maximumLength: 4)
    let cache = shard.makeCache(maximumLength: 4)
    let step = SessionStep(input: try embedded(1), cache: cache)
    await #expect(throws: CacheError.busy) {
      try await shard.forward(
        batch: [SessionStep(input: embedded(2), cache: other), step, step])
    }
    #expect(cache.position == 0 && other.position == 0)
    _ = try await shard.forward(batch: [step])
    #expect(cache.position == 1)
  }

  @Test("Hidden states of another width are refused by name")
  func width() async throws {
    let narrow = try HiddenStates(tokens: 2, hidden: 3, values: [1, 2, 3, 4, 5, 6])
    let error = try await #require(throws: ShapeError.self) {
      try await TinyModel.shard(0..<1).forward(narrow)
    }
    #expect("\(error)".contains("64") && "\(error)".contains("3"))
    #expect(throws: ShapeError.self) { try HiddenStates(tokens: 2, hidden: 3, values: [1]) }
    #expect(throws: ShapeError.self) { try HiddenStates(tokens: 0, hidden: 3, values: []) }
    #expect(throws: ShapeError.self) { try HiddenStates(tokens: -1, hidden: -1, values: [1]) }
  }
}

@Suite("ALiBi slopes")
struct ALiBiTests {
  @Test("A power of two of heads gives a geometric sequence", arguments: [1, 2, 4, 8, 16, 32])
  func powers(_ heads: Int) {
    let slopes = ALiBi.slopes(headCount: heads)
    #expect(slopes.count == heads)
    #expect(slopes.last == 0.00390625)
    for (a, b) in zip(slopes, slopes.dropFirst()) {
      #expect(abs(b / a - slopes[0]) < 1e-6)
    }
  }

  @Test("Eight heads have the paper's slopes")
  func paper() {
    #expect(ALiBi.slopes(headCount: 8) == (1...8).map { 1 / Float(1 << $0) })
  }

  @Test(
    "Any other number takes the slopes of the power below, then odd ones of the power above",
    arguments: [
      (3, [0.0625, 0.00390625, 0.25]), (5, [0.25, 0.0625, 0.015625, 0.00390625, 0.5]),
      (6, [0.25, 0.0625, 0.015625, 0.00390625, 0.5, 0.125]),
    ])
  func others(_ heads: Int, _ expected: [Float]) {
    #expect(ALiBi.slopes(headCount: heads) == expected)
  }

  @Test(
    "Keys that are too far behind to count can be left out without changing a bit",
    arguments: InstructionSet.all, [1, 0.25, 0.0625] as [Float])
  func distantKeys(_ set: InstructionSet, _ slope: Float) {
    for element in AttentionKernelTests.elements { distantKeys(set, slope, element) }
  }

  private func distantKeys(_ set: InstructionSet, _ slope: Float, _ element: bloom_element) {
    let (length, size) = (1900, 16)
    let query = numbers(size, scale: 4)
    let head = StoredHead(element, length: length, size: size, keyScale: 2)
    func norm(_ x: ArraySlice<Float>) -> Float { x.reduce(0) { $0 + $1 * $1 }.squareRoot() }
    let lengths = (0..<length).map { norm(head.exactKeys[$0 * size..<($0 + 1) * size]) }
    let first = ALiBi.firstKey(
      position: length - 1, slope: slope,
      largestScore: 0.25 * norm(query[...]) * (lengths.max() ?? 0))
    #expect(first.isMultiple(of: 16) && first > 0 && first < length - Int(60 / slope))
    func attend(from start: Int) -> (scores: ArraySlice<Float>, context: [Float]) {
      var scores = StoredHead.scores(length - start)
      var context = [Float](repeating: 9, count: size)
      let bytes = start * size * (element == BLOOM_F32 ? 4 : 2)
      set.kernels.attend(
        element, query, Array(head.keys[bytes...]), Array(head.values[bytes...]),
        length - start, size, 0.25, slope, &scores, &context)
      return (scores.prefix(length - start), context)
    }
    let all = attend(from: 0)
    #expect(all.scores[..<first].allSatisfy { $0 == 0 })
    #expect(all.scores[first...].contains { $0 > 0 })
    #expect(attend(from: first).context == all.context)
  }

  @Test("No key is left out where a score is not a number, or nothing is far")
  func everyKey() {
    #expect(ALiBi.firstKey(position: 5000, slope: 1, largestScore: .nan) == 0)
    #expect(ALiBi.firstKey(position: 5000, slope: 1, largestScore: .infinity) == 0)
    #expect(ALiBi.firstKey(position: 5000, slope: 0x1p-8, largestScore: 0) == 0)
    #expect(ALiBi.firstKey(position: 0, slope: 1, largestScore: 1) == 0)
    // A length that is not a number stays, whatever comes after it.
    #expect(ALiBi.longer(1, 2) == 2 && ALiBi.longer(2, 1) == 2)
    for other in [Float(1), .infinity, .nan] {
      #expect(ALiBi.longer(.nan, other).isNaN && ALiBi.longer(other, .nan).isNaN)
    }
  }

  @Test("Every head count gives positive slopes below one, no two alike", arguments: 1...70)
  func all(_ heads: Int) {
    let slopes = ALiBi.slopes(headCount: heads)
    #expect(slopes.count == heads)
    #expect(Set(slopes).count == heads)
    #expect(slopes.allSatisfy { $0 > 0 && $0 < 1 })
  }
}

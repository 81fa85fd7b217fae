import AsyncPrimitives
import Bloom
import PetalsNode
import PipelineRPC
import PlumiseWire
import TestSupport
import Testing

/// Full passes, to which others are compared.
private struct Chain {
  let shards: [Shard]

  /// The blocks of a model in consecutive shards: cuts `[12]` of 24 blocks give 0-11 and 12-23.
  init(_ model: TinyModel, cuts: [Int]) throws {
    let bounds = [0] + cuts + [model.checkpoint.configuration.blockCount]
    shards = try zip(bounds, bounds.dropFirst()).map {
      try Shard(model.checkpoint, blocks: model.blocks($0..<$1))
    }
  }

  func reusing(budget: Int, maximumSequences: Int = 16) -> [PrefixReuse] {
    shards.map {
      PrefixReuse($0, maximumLength: 512, budget: budget, maximumSequences: maximumSequences)
    }
  }

  func fullPass(_ input: HiddenStates) async throws -> HiddenStates {
    var states = input
    for shard in shards { states = try await shard.forward(states) }
    return states
  }
}

/// Sends a sequence through shards, one behind the other; returns what each computed, too.
private func pass(
  _ input: HiddenStates, through shards: [PrefixReuse]
) async throws -> (output: HiddenStates, computed: [Int]) {
  var (states, computed) = (input, [Int]())
  for shard in shards {
    let pass = try await shard.forward(states)
    states = pass.output
    computed.append(pass.computedTokens)
  }
  return (states, computed)
}

@Suite("Passes that go on where an earlier one ended", .timeLimit(.minutes(5)))
struct PrefixReuseTests {
  private static let megabytes = 1 << 20
  let model: TinyModel

  init() throws { model = try TinyModel() }

  private func expectEqual(
    _ found: HiddenStates, _ expected: HiddenStates, _ what: String,
    sourceLocation: SourceLocation = #_sourceLocation
  ) async throws {
    try #require(found.tokens == expected.tokens, sourceLocation: sourceLocation)
    expectClose(
      found.values, expected.values, tolerance: 2e-5, what, sourceLocation: sourceLocation)
    // All of these shards end the model.
    let ends = try model.ends
    func bestID(_ states: HiddenStates) async throws -> Int? {
      let row = try await ends.logits(states, lastOnly: true).row(0)
      return row.indices.max { row[$0] < row[$1] }
    }
    let (id, expectedID) = (try await bestID(found), try await bestID(expected))
    #expect(id == expectedID, "\(what)", sourceLocation: sourceLocation)
  }

  @Test(
    "Sequences that grow, branch and take turns get a full pass's results, and no token twice",
    arguments: [[], [12], [8, 16]], [1, 2, 3] as [UInt64])
  func chains(cuts: [Int], seed: UInt64) async throws {
    let chain = try Chain(model, cuts: cuts)
    let shards = chain.reusing(budget: 256 * Self.megabytes, maximumSequences: 100)
    var random = SeededGenerator(seed: seed)
    var known: [[Int32]] = []
    for step in 0..<24 {
      func ids(_ count: Int) -> [Int32] {
        (0..<count).map { _ in Int32.random(in: 3..<512, using: &random) }
      }
      let before = known.randomElement(using: &random) ?? []
      let kept = before.prefix(
        Bool.random(using: &random)
          ? before.count : Int.random(in: 0...before.count, using: &random))
      let count = Int.random(in: (kept.isEmpty ? 1 : 0)...9, using: &random)
      let sequence = kept + ids(count)
      let input = try model.ends.embed(Array(sequence))
      let (output, computed) = try await pass(input, through: shards)
      try await expectEqual(output, chain.fullPass(input), "step \(step)")
      let common = known.map { zip($0, sequence).prefix { $0 == $1 }.count }.max() ?? 0
      #expect(computed == shards.map { _ in sequence.count - common }, "step \(step)")
      known.append(Array(sequence))
    }
    // What came in and went out is kept as it was: branches have not disturbed it.
    for sequence in known {
      let input = try model.ends.embed(sequence)
      let (output, computed) = try await pass(input, through: shards)
      try await expectEqual(output, chain.fullPass(input), "\(sequence)")
      #expect(computed.allSatisfy { $0 == 0 })
    }
  }

  @Test(
    "A token that changed is computed with all behind it, and the sequence before it goes on too")
  func changedEarlier() async throws {
    let chain = try Chain(model, cuts: [12])
    let shards = chain.reusing(budget: 256 * Self.megabytes)
    let prompt = try model.ids("case2.input_ids") + model.ids("case2.generated_ids")
    var changed = prompt
    changed[3] = prompt[3] == 9 ? 10 : 9
    for (ids, expected) in [
      (prompt, prompt.count), (changed, prompt.count - 3), (prompt + [7], 1), (changed + [8], 1),
      ([11] + prompt, prompt.count + 1),
    ] {
      let input = try model.ends.embed(ids)
      let (output, computed) = try await pass(input, through: shards)
      #expect(computed == [expected, expected])
      try await expectEqual(output, chain.fullPass(input), "\(ids)")
    }
  }

  @Test("Hidden states that differ in the last bit of one number are others")
  func lastBit() async throws {
    let chain = try Chain(model, cuts: [])
    let shard = chain.reusing(budget: 256 * Self.megabytes)[0]
    let input = try model.hidden("case2.embeddings")
    _ = try await shard.forward(input)
    var values = input.values
    let place = 4 * input.hidden + 5
    values[place] = values[place].nextUp
    let other = try HiddenStates(tokens: input.tokens, hidden: input.hidden, values: values)
    let pass = try await shard.forward(other)
    #expect(pass.computedTokens == input.tokens - 4)
    try await expectEqual(pass.output, chain.fullPass(other), "the other one")
  }

  @Test(
    "Beyond the budget the sequence goes that was not used for longest; one too large is not kept")
  func eviction() async throws {
    let chain = try Chain(model, cuts: [])
    func input(_ first: Int32, _ count: Int) throws -> HiddenStates {
      try model.ends.embed((0..<Int32(count)).map { first + $0 })
    }
    let single = chain.reusing(budget: 256 * Self.megabytes)[0]
    _ = try await single.forward(input(3, 20))
    let size = single.usage.bytes
    #expect(size > 20 * chain.shards[0].bytesPerCachedToken)

    let shard = chain.reusing(budget: 2 * size + size / 2)[0]
    func computed(_ first: Int32, _ count: Int = 20) async throws -> Int {
      let states = try input(first, count)
      let pass = try await shard.forward(states)
      try await expectEqual(pass.output, chain.fullPass(states), "\(first)")
      #expect(shard.usage.bytes <= 2 * size + size / 2)
      return pass.computedTokens
    }
    #expect(try await computed(3) == 20)
    #expect(try await computed(103) == 20)
    #expect(try await computed(3) == 0)
    // The third takes the place of the second, which was not used since.
    #expect(try await computed(203) == 20)
    #expect(shard.usage.sequences == 2)
    #expect(try await computed(3) == 0)
    // A fourth that is larger than all there may be drives nobody out.
    #expect(try await computed(303, 200) == 200)
    #expect(try await computed(3) == 0)
    #expect(try await computed(203) == 0)
    #expect(try await computed(103) == 20)

    let few = chain.reusing(budget: 256 * Self.megabytes, maximumSequences: 3)[0]
    for first in 1...9 { _ = try await few.forward(input(Int32(first * 20), 5)) }
    #expect(few.usage.sequences == 3)
    few.removeAll()
    #expect(few.usage.sequences == 0 && few.usage.bytes == 0)
    let none = chain.reusing(budget: 0)[0]
    for _ in 0..<2 { #expect(try await none.forward(input(3, 5)).computedTokens == 5) }
    #expect(none.usage.sequences == 0)
  }

  @Test("Passes at the same time that share a prefix, or are equal, do not disturb each other")
  func concurrent() async throws {
    let chain = try Chain(model, cuts: [])
    let shard = chain.reusing(budget: 256 * Self.megabytes)[0]
    let prompt = try model.ids("case2.input_ids")
    _ = try await shard.forward(model.ends.embed(prompt))
    for round in 0..<6 {
      let inputs = try (0..<8).map { index in
        // Some are equal, some only begin alike.
        try model.ends.embed(
          prompt + (0..<40).map { Int32(3 + (index / 2 * 31 + $0 * 7 + round) % 500) })
      }
      let outputs = try await withThrowingTaskGroup(of: (Int, HiddenStates).self) { group in
        for (index, input) in inputs.enumerated() {
          group.addTask { (index, try await shard.forward(input).output) }
        }
        return try await group.reduce(into: [Int: HiddenStates]()) { $0[$1.0] = $1.1 }
      }
      for (index, input) in inputs.enumerated() {
        let output = try #require(outputs[index])
        try await expectEqual(output, chain.fullPass(input), "\(round), \(index)")
      }
    }
  }

  @Test(
    "A text through agents takes each token through each node once, in every format",
    arguments: [[12], [8, 16]], PipelineTensorFormat.allCases)
  func text(cuts: [Int], format: PipelineTensorFormat) async throws {
    try await withAgents(of: model, cuts: cuts, format: format) { nodes, _ in
      let wire = try #require(InferenceFormat(rawValue: format.rawValue))
      let tokenizer = try #require(try model.ends.tokenizer)
      let prompt = tokenizer.encode("Hello there")
      let expected = try await referenceIDs(
        prompt, count: 12, through: nodes, of: model, format: wire)
      let body = """
        {"inputs":"Hello there","parameters":{"max_new_tokens":12,"do_sample":false,
        "repetition_penalty":1}}
        """
      for repetition in 1...2 {
        let answer = try await nodes[0].generate(body)
        #expect(try answer.json["generated_text"] == .string(tokenizer.decode(expected)))
        // The last pass brings the prompt and all tokens but one; a second text brings nothing new.
        let passed = prompt.count + expected.count - (expected.count == 12 ? 1 : 0)
        for node in nodes {
          #expect(node.prefixUsage.computedTokens == passed, "\(repetition)")
          #expect(node.prefixUsage.sequences > 0)
        }
      }
      #expect(nodes.allSatisfy { $0.info.cache.usedBytes == 0 })
    }
  }

  @Test("A node that ends keeps no sequence")
  func stop() async throws {
    var ended: PetalsNode?
    try await withNodes(of: model, cuts: []) { nodes in
      let request = Plumise_Inference_ForwardRequest(
        try model.hidden("case2.embeddings"), of: 1, to: 0)
      #expect(try await nodes[0].pass(request).success)
      #expect(nodes[0].prefixUsage.sequences == 1)
      ended = nodes[0]
    }
    #expect(ended?.prefixUsage.sequences == 0 && ended?.prefixUsage.bytes == 0)
  }
}

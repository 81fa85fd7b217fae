import Bloom
import Foundation
import PetalsNode

/// Prefill, decoding, time to first token and memory of one process with the whole model.
struct InferenceBench: Sendable {
  static let promptLength = 128
  static let maxNewTokens = 32

  let path: String
  /// How keys and values are stored.
  let cacheType: CacheType
  let runs: Int
  /// Tokens of a long prompt, if one is to be measured.
  let context: Int?

  func rows() async throws -> [BenchRow] {
    let checkpoint = try ModelFolder.checkpoint(path)
    let name = checkpoint.benchName(cacheType)
    let opening = try opening()
    let generator = LocalGenerator(checkpoint, cacheType: cacheType)
    let prompt = Self.prompt(Self.promptLength, for: checkpoint)
    // The first pass reads the file from disk.
    _ = try await generator.generate(.init(prompt: [5], maxNewTokens: 1))
    var prefill: [Double] = []
    var first: [Double] = []
    var decode: [Double] = []
    var bandwidth: [Double] = []
    let (prefills, decodes) = (BenchRequests(), BenchRequests())
    for run in 0..<runs {
      let long = try await prefills.noting(run: run) {
        try await generator.generate(.init(prompt: prompt, maxNewTokens: 1))
      }
      prefill.append(Double(prompt.count) / (long.timeToFirstToken / .seconds(1)))
      let short = try await decodes.noting(run: run) {
        try await generator.generate(
          .init(prompt: Array(prompt.prefix(8)), maxNewTokens: Self.maxNewTokens))
      }
      first.append(short.timeToFirstToken / .milliseconds(1))
      decode.append(short.tokensPerSecond)
      bandwidth.append(await MemoryBandwidth.gigabytesPerSecond())
    }
    let shares = zip(decode, bandwidth).map { $0 * Self.gigabytes(checkpoint) / $1 }
    var rows = [
      row("\(name): open", "ms", opening),
      row("\(name): prefill of \(Self.promptLength)", "tokens/s", prefill, prefills.all),
      row("\(name): first token after 8", "ms", first),
      row("\(name): decode", "tokens/s", decode, decodes.all),
      row("read bandwidth of all cores, same run", "GB/s", bandwidth),
      row("\(name): decode's share of it", "", shares),
    ]
    if let context {
      let long = Self.prompt(context, for: checkpoint)
      var prefills: [Double] = []
      var rates: [Double] = []
      for _ in 0..<runs {
        let result = try await generator.generate(
          .init(prompt: long, maxNewTokens: Self.maxNewTokens))
        prefills.append(Double(context) / (result.timeToFirstToken / .seconds(1)))
        rates.append(result.tokensPerSecond)
      }
      rows.append(row("\(name): prefill of \(context)", "tokens/s", prefills))
      rows.append(row("\(name): decode after \(context)", "tokens/s", rates))
    }
    rows += try await BatchBench(checkpoint: checkpoint, cacheType: cacheType, runs: runs).rows()
    if let resident = Machine.residentMebibytes, let own = Machine.anonymousMebibytes {
      rows.append(row("resident memory, mapped weights included", "MiB", [resident]))
      rows.append(row("… without mapped files", "MiB", [own]))
    }
    return rows
  }

  /// Ids of a prompt.
  static func prompt(_ length: Int, for checkpoint: Checkpoint) -> [Int32] {
    let vocabulary = Int32(checkpoint.configuration.vocabularySize)
    return (0..<Int32(length)).map { 4 + ($0 * 37) % (vocabulary - 4) }
  }

  private func opening() throws -> [Double] {
    let clock = ContinuousClock()
    return try (0..<runs).map { _ in
      let began = clock.now
      _ = LocalGenerator(try ModelFolder.checkpoint(path))
      return (clock.now - began) / .milliseconds(1)
    }
  }

  /// Bytes of weights that a token reads, in 10⁹: every matrix once, the embedding as the head.
  private static func gigabytes(_ checkpoint: Checkpoint) -> Double {
    Double(checkpoint.configuration.parameterCount) * checkpoint.elementType.bytesPerWeight
      / 1e9
  }

  private func row(
    _ name: String, _ unit: String, _ values: [Double], _ requests: [BenchRequest] = []
  ) -> BenchRow {
    BenchRow("inference", name, unit, values, requests: requests)
  }
}

/// Generations of several sessions at once by a node of the whole model, as its clients see them.
///
/// Their steps are computed together, and so are the scores of their next tokens.
struct BatchBench: Sendable {
  private static let sessions = [1, 2, 4, 8, 16]
  private static let maxNewTokens = 16

  let checkpoint: Checkpoint
  let cacheType: CacheType
  let runs: Int

  func rows() async throws -> [BenchRow] {
    let configuration = NodeConfiguration(
      checkpoint: checkpoint,
      blocks: BlockRange(all: checkpoint.configuration.blockCount), cacheType: cacheType)
    let generations = Self.sessions.map { _ in BenchRequests() }
    let (rates, passes) = try await withPetalsNode(configuration) { node in
      let model = ClientModel(checkpoint)
      return try await withPipelineClient(model, transports: [node.transport]) { client in
        var rates = [[Double]](repeating: [], count: Self.sessions.count)
        var passes: (blocks: [Double], head: [Double]) = ([], [])
        for run in 0..<runs {
          for (index, count) in Self.sessions.enumerated() {
            let before = (node.batches, model.choiceBatches)
            rates[index].append(
              try await Self.rate(
                of: count, tokens: Self.maxNewTokens, with: client, run: run,
                noting: generations[index]))
            guard count == 8 else { continue }
            let tokens = Double(Self.maxNewTokens)
            passes.blocks.append(Double(node.batches - before.0) / tokens)
            passes.head.append(Double(model.choiceBatches - before.1) / tokens)
          }
        }
        return (rates, passes)
      }
    }
    let name = checkpoint.benchName(cacheType)
    let rows = Self.sessions.enumerated().map { index, count -> BenchRow in
      var row = BenchRow(
        "inference", "\(name): \(count) at once, in all", "tokens/s", rates[index],
        requests: generations[index].all)
      row.sessions = count
      return row
    }
    guard let index = Self.sessions.firstIndex(of: 8) else { return rows }
    return rows + [
      BenchRow(
        "inference", "\(name): 8 at once, times one", "",
        zip(rates[index], rates[0]).map { $0 / $1 }),
      BenchRow(
        "inference", "\(name): 8 at once, block passes per token", "", passes.blocks),
      BenchRow("inference", "\(name): 8 at once, head passes per token", "", passes.head),
    ]
  }

  /// Tokens a second of so many sessions together, each with a token of its own as the prompt, so that none
  /// is like another.
  ///
  /// - Parameters:
  ///   - run: the number of the run.
  ///   - requests: where each generation is noted.
  static func rate(
    of count: Int, tokens: Int, with client: PipelineClient, run: Int = 0,
    noting requests: BenchRequests = BenchRequests()
  ) async throws -> Double {
    try await Rate.measure(count * tokens) {
      _ = try await Array(0..<count).concurrentMap { session in
        let request = try PipelineRequest(
          promptIDs: [Int32(4 + session)], maxNewTokens: tokens)
        let result = try await requests.noting(run: run) {
          try await client.generate(request).collect()
        }
        guard result.generatedIDs.count == tokens else {
          throw CommandFailure.failed(
            "a generation ended after \(result.generatedIDs.count) tokens: its rate says nothing")
        }
      }
    }
  }
}

/// How far a model's logits lie from those of the same model whose weights, or keys and values, are stored
/// otherwise.
struct AccuracyBench: Sendable {
  private static let positions = 40

  /// The model's name with the types of its weights and its cache.
  private let name: String
  private let types: String
  private let logits: Logits

  init(_ checkpoint: Checkpoint, _ cacheType: CacheType) async throws {
    name = checkpoint.benchName(cacheType)
    types = checkpoint.elementType.rawValue + cacheType.benchSuffix
    let vocabulary = checkpoint.configuration.vocabularySize
    let tokens = (0..<Self.positions).map { Int32(($0 * 37 + 5) % vocabulary) }
    let shard = try Shard(
      checkpoint, blocks: BlockRange(all: checkpoint.configuration.blockCount),
      cacheType: cacheType)
    logits = try await LanguageModelHead(checkpoint).logits(
      shard.forward(Embedding(checkpoint)(tokens)))
  }

  func rows(against reference: AccuracyBench) -> [BenchRow] {
    let (found, expected) = (logits, reference.logits)
    var (worst, largest, error, size) = (0.0, 0.0, 0.0, 0.0)
    for (found, expected) in zip(found.values, expected.values) {
      let difference = Double(found) - Double(expected)
      worst = max(worst, abs(difference))
      largest = max(largest, abs(Double(expected)))
      error += difference * difference
      size += Double(expected) * Double(expected)
    }
    let same = (0..<Self.positions).count { position in
      Self.likeliest(found.row(position)) == Self.likeliest(expected.row(position))
    }
    let other = reference.types
    return [
      row("any logit from \(other)'s, at most", "% of the largest", worst / largest * 100),
      row("all from \(other)'s, RMS", "%", (error / size).squareRoot() * 100),
      row("likeliest token is \(other)'s, of \(Self.positions)", "", Double(same)),
    ]
  }

  /// How many scores come before the greatest.
  private static func likeliest(_ scores: ArraySlice<Float>) -> Int? {
    scores.indices.max { scores[$0] < scores[$1] }.map { $0 - scores.startIndex }
  }

  private func row(_ name: String, _ unit: String, _ value: Double) -> BenchRow {
    BenchRow("inference", "\(self.name): \(name)", unit, [value])
  }
}

extension CacheType {
  /// What follows the weights' type in the name of a figure: nothing for caches of f32.
  var benchSuffix: String { self == .f32 ? "" : ", \(rawValue) cache" }
}

extension Checkpoint {
  /// The model, the type of its weights and that of its cache in the name of a figure.
  fileprivate func benchName(_ cacheType: CacheType) -> String {
    "\(name) \(elementType.rawValue)\(cacheType.benchSuffix)"
  }
}

import Bloom
import Foundation

/// Prefill, decoding, time to first token and memory of one process with the whole model.
struct InferenceBench: Sendable {
  private static let promptLength = 128
  private static let newTokens = 32

  let path: String
  let runs: Int

  func rows() async throws -> [BenchRow] {
    let checkpoint = try ModelFolder.checkpoint(path)
    let name = "\(checkpoint.name) \(checkpoint.elementType.rawValue)"
    let opening = try opening()
    let generator = LocalGenerator(checkpoint)
    let vocabulary = Int32(checkpoint.configuration.vocabularySize)
    let prompt = (0..<Int32(Self.promptLength)).map { 4 + ($0 * 37) % (vocabulary - 4) }
    // The first pass reads the file from disk.
    _ = try await generator.generate(.init(prompt: [5], maxNewTokens: 1))
    var prefill: [Double] = []
    var first: [Double] = []
    var decode: [Double] = []
    var bandwidth: [Double] = []
    for _ in 0..<runs {
      let long = try await generator.generate(.init(prompt: prompt, maxNewTokens: 1))
      prefill.append(Double(prompt.count) / (long.timeToFirstToken / .seconds(1)))
      let short = try await generator.generate(
        .init(prompt: Array(prompt.prefix(8)), maxNewTokens: Self.newTokens))
      first.append(short.timeToFirstToken / .milliseconds(1))
      decode.append(short.tokensPerSecond)
      bandwidth.append(await ReadProbe.gigabytesPerSecond())
    }
    let shares = zip(decode, bandwidth).map { $0 * Self.gigabytes(checkpoint) / $1 }
    var rows = [
      row("\(name): open", "ms", opening),
      row("\(name): prefill of \(Self.promptLength)", "tokens/s", prefill),
      row("\(name): first token after 8", "ms", first),
      row("\(name): decode", "tokens/s", decode),
      row("read bandwidth of all cores, same run", "GB/s", bandwidth),
      row("\(name): decode's share of it", "", shares),
    ]
    rows += try await BatchBench(checkpoint: checkpoint, runs: runs).rows()
    if let resident = Machine.residentMebibytes, let own = Machine.anonymousMebibytes {
      rows.append(row("resident memory, mapped weights included", "MiB", [resident]))
      rows.append(row("… without mapped files", "MiB", [own]))
    }
    return rows
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
    let size: Double =
      switch checkpoint.elementType {
      case .f32: 4
      case .f16, .bf16: 2
      // An integer, and its share of a scale.
      case .q8: 1 + 4.0 / 64
      }
    return Double(checkpoint.configuration.parameterCount) * size / 1e9
  }

  private func row(_ name: String, _ unit: String, _ values: [Double]) -> BenchRow {
    BenchRow("inference", name, unit, values)
  }
}

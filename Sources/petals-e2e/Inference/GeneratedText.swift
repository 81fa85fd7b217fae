import Foundation
import PlumiseWire

/// What a generation gave, wherever it ran.
struct GeneratedText: Sendable {
  /// A part of the model and who computed it.
  struct Hop: Sendable {
    let peer: String
    let blocks: Range<Int>
  }

  let promptIDs: [Int32]
  let generatedIDs: [Int32]
  let text: String?
  let timeToFirstToken: Duration?
  let tokensPerSecond: Double
  let route: [Hop]

  var json: JSON {
    [
      "prompt_ids": .tokens(promptIDs),
      "generated_ids": .tokens(generatedIDs),
      "text": text.map(JSON.string) ?? .null,
      "ttft_ms": timeToFirstToken.map { .milliseconds($0) } ?? .null,
      "tokens_per_second": .decimal(tokensPerSecond, places: 2),
      "route": .array(
        route.map { hop in
          [
            "peer": .string(hop.peer),
            "blocks": [.integer(hop.blocks.lowerBound), .integer(hop.blocks.upperBound)],
          ]
        }),
    ]
  }

  /// One line: `20 tokens, 41.3 a second, the first after 25 ms`.
  var summary: String {
    let rate = tokensPerSecond.formatted(.number.precision(.fractionLength(1)))
    let first = (timeToFirstToken ?? .zero) / .milliseconds(1)
    return "\(generatedIDs.count) tokens, \(rate) a second, the first after "
      + "\(first.formatted(.number.precision(.fractionLength(1)))) ms"
  }
}

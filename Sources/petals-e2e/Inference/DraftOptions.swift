import ArgumentParser
import Bloom
import Foundation
import PlumiseWire

/// A draft model, whose proposals the model verifies.
struct DraftOptions: ParsableArguments {
  @Option(
    help: """
      A smaller model's folder, with the same vocabulary: it proposes tokens, and one pass of the model \
      verifies several.
      """)
  var draft: String?

  @Option(within: .draftTokens, help: "Have the draft propose so many tokens at a time.")
  var draftTokens = DraftModel.defaultTokens

  func validate() throws {
    if draft == nil, draftTokens != DraftModel.defaultTokens {
      throw ValidationError("--draft-tokens needs --draft, the model that proposes them")
    }
  }

  /// The draft of a model; nil when none was named.
  /// - Parameter cacheType: How the draft stores keys and values: as its target does.
  /// - Throws: `CommandFailure` (wrong input).
  func model(for target: Checkpoint, cacheType: CacheType) throws -> DraftModel? {
    guard let draft else { return nil }
    let checkpoint = try ModelFolder.checkpoint(draft)
    do {
      return try DraftModel(
        checkpoint, for: target, tokens: draftTokens, cacheType: cacheType)
    } catch {
      throw CommandFailure.wrongInput("--draft \(draft): \(error)")
    }
  }
}

extension OptionLimits where Self == WholeNumbers<Int> {
  static var draftTokens: Self {
    WholeNumbers("a number of proposed tokens", DraftModel.tokenLimits)
  }
}

extension DraftStatistics {
  /// `{"proposed","accepted","acceptance","passes"}`.
  var json: JSON {
    [
      "proposed": .integer(proposed), "accepted": .integer(accepted),
      "acceptance": .decimal(acceptance, places: 3), "passes": .integer(passes),
    ]
  }

  /// One clause: `draft: 12 of 20 proposals accepted (60 %)`.
  var summary: String {
    "draft: \(accepted) of \(proposed) proposals accepted ("
      + acceptance.formatted(.percent.precision(.fractionLength(0))) + ")"
  }
}

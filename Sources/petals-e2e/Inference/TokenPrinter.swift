import Bloom
import Synchronization

/// Prints tokens as they come: as text where there is a tokenizer, else as ids.
final class TokenPrinter: Sendable {
  private struct State {
    var text: TextStream?
    var isFirst = true
  }

  private let state: Mutex<State>
  private let isSilent: Bool

  /// - Parameter isSilent: prints nothing, for results that are printed as a whole.
  init(_ tokenizer: Tokenizer?, isSilent: Bool) {
    state = Mutex(State(text: tokenizer.map { TextStream($0) }))
    self.isSilent = isSilent
  }

  /// Prints what is certain after one more token.
  func print(_ id: Int32) {
    if isSilent { return }
    state.withLock { state in
      let separator = state.isFirst ? "" : ","
      let words = state.text?.append(id) ?? "\(separator)\(id)"
      state.isFirst = false
      if !words.isEmpty { StandardStream.output.write(words) }
    }
  }

  /// Prints what was held back, and ends the line.
  func finish() {
    if isSilent { return }
    StandardStream.output.write(line: state.withLock { $0.text?.finish() ?? "" })
  }
}

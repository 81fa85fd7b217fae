import EthereumClient
import EthereumPrimitives

/// Looks for the receipt of one transaction, and says when something has to be done about it.
///
/// A pure state machine: time is told to it, answers are told to it.
struct ReceiptWatch {
  enum Step: Hashable {
    /// Look again after a pause.
    case wait
    /// The transaction seems stuck: send it again, or with higher fees.
    case resend
    /// It is in a block that enough others follow.
    case done(Receipt)
  }

  private let pollInterval: Duration
  private let stuckAfter: Duration
  private let confirmations: UInt64
  private var quiet: Duration = .zero

  init(_ configuration: ChainAgentConfiguration) {
    pollInterval = configuration.pollInterval
    stuckAfter = configuration.stuckAfter
    confirmations = configuration.confirmations
  }

  /// Whether a receipt alone is not enough to know.
  var needsHeight: Bool { confirmations > 0 }

  /// Takes in what a look found.
  /// - Parameters:
  ///   - receipt: nil while the transaction is in no block.
  ///   - height: of the latest block, when ``needsHeight``.
  mutating func saw(_ receipt: Receipt?, height: UInt64) -> Step {
    if let receipt {
      quiet = .zero
      let (needed, overflow) = receipt.blockNumber.addingReportingOverflow(confirmations)
      return confirmations == 0 || (!overflow && height >= needed) ? .done(receipt) : .wait
    }
    guard quiet >= stuckAfter else { return .wait }
    quiet = .zero
    return .resend
  }

  /// Takes in that a pause is over.
  mutating func waited() { quiet += pollInterval }
}

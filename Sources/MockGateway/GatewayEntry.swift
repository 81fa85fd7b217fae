public import EthereumPrimitives
public import MockServing

/// One request that a gateway answered, and the nodes it asked for it.
public struct GatewayEntry: Sendable, Hashable {
  /// One node that was asked.
  public struct Attempt: Sendable, Hashable {
    /// The node's base URL.
    public let url: String
    /// The wallet of its agent.
    public let address: Address
    /// How it was spoken to.
    public let mode: GatewayNodeMode
    /// Why it did not give the whole answer; nil when it did.
    public let failure: String?
  }

  /// What came.
  public let request: WebRequest
  /// The status of the answer, or of a stream's head.
  public let status: Int
  /// The nodes that were asked, in order.
  public let attempts: [Attempt]
  /// About how many tokens were generated.
  public let generatedTokens: Int64
  /// What is wrong, when the client got an error, or a stream that is cut off.
  public let failure: String?

  /// About how many bytes of memory the entry takes.
  var byteCount: Int {
    let attempts = attempts.reduce(0) {
      $0 + 128 + $1.url.utf8.count + ($1.failure?.utf8.count ?? 0)
    }
    return 128 + request.byteCount + attempts + (failure?.utf8.count ?? 0)
  }
}

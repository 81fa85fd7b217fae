public import EthereumPrimitives
public import PlumiseWire

/// One thing that goes wrong on the chain or at its door.
public enum ChainFault: Hashable, Sendable {
  /// The call of a transaction is reverted, whatever it is.
  case revert(reason: String)
  /// The transaction is taken in, its hash is answered, and it is forgotten.
  case drop
  /// The receipt of a mined transaction is withheld until so many more blocks were made.
  case withholdReceipt(blocks: UInt64)
  /// The transaction is mined; nobody ever gets its receipt.
  case loseReceipt
  /// Once the transaction is mined so many blocks are undone, its own included; it waits again.
  case reorganise(depth: Int)
  /// The block that is due, for a transaction or by time, is not made; one that is asked for is.
  case stall
  /// A request is answered with an error; the chain never sees it.
  case refuse(RPCFailure)
  /// A request waits this long, on the chain's clock, before it is looked at.
  case delay(Duration)
  /// The connection that a request came on is reset: before the chain sees the request, or when it
  /// has done what was asked.
  case reset(afterHandling: Bool)
}

/// A fault, and what it is meant for.
public struct ChainFaultRule: Hashable, Sendable {
  /// What goes wrong.
  public var fault: ChainFault
  /// The JSON-RPC method that ``ChainFault/refuse(_:)``, ``ChainFault/delay(_:)`` and
  /// ``ChainFault/reset(afterHandling:)`` are meant for; nil for every one.
  public var method: String?
  /// The sender whose transactions are meant; nil for everyone's.
  public var sender: Address?
  /// How many times it happens; nil for always.
  public var count: Int?
  /// How likely it is to happen, each time it could, from 0 to 1; see ``MockWeb3/seedFaults(_:)``.
  public var probability: Double

  /// Makes a rule; by default it applies once, to whatever comes first.
  public init(
    _ fault: ChainFault, method: String? = nil, sender: Address? = nil, count: Int? = 1,
    probability: Double = 1
  ) {
    precondition(count.map { $0 > 0 } ?? true, "a fault happens at least once")
    precondition((0...1).contains(probability), "\(probability) is no probability")
    self.fault = fault
    self.method = method
    self.sender = sender
    self.count = count
    self.probability = probability
  }
}

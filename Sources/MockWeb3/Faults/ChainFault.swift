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
  /// A request is answered with an error; the chain never sees it.
  case refuse(RPCFailure)
  /// A request waits this long, on the chain's clock, before it is looked at.
  case delay(Duration)
}

/// A fault, and what it is meant for.
public struct ChainFaultRule: Hashable, Sendable {
  /// What goes wrong.
  public var fault: ChainFault
  /// The JSON-RPC method that ``ChainFault/refuse(_:)`` and ``ChainFault/delay(_:)`` are meant for;
  /// nil for every one.
  public var method: String?
  /// The sender whose transactions are meant; nil for everyone's.
  public var sender: Address?
  /// How many times it happens; nil for always.
  public var count: Int?

  /// Makes a rule; by default it applies once, to whatever comes first.
  public init(
    _ fault: ChainFault, method: String? = nil, sender: Address? = nil, count: Int? = 1
  ) {
    precondition(count.map { $0 > 0 } ?? true, "a fault happens at least once")
    self.fault = fault
    self.method = method
    self.sender = sender
    self.count = count
  }
}

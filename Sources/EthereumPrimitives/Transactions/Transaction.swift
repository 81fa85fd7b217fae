/// A transaction before it is signed.
///
/// Every combination of its parts is one that Ethereum can express: only a legacy transaction may
/// lack a chain id, and only `unprotected` makes one.
public struct Transaction: Hashable, Sendable {
  /// How the sender pays for gas, which also decides the transaction's type.
  public enum Fee: Hashable, Sendable {
    /// Type 0: one price, in wei a unit of gas.
    case legacy(gasPrice: Word)
    /// Type 1 (EIP-2930): one price, and what the transaction will touch.
    case accessList(gasPrice: Word, [AccessListEntry])
    /// Type 2 (EIP-1559): what the miner gets at most, what the sender pays at most, and what the
    /// transaction will touch.
    case feeMarket(maxPriorityFeePerGas: Word, maxFeePerGas: Word, [AccessListEntry])
  }

  /// The chain that the signature is bound to; nil in an unprotected legacy transaction.
  public let chainID: UInt64?
  /// How many transactions the sender has sent before this one.
  public let nonce: UInt64
  /// How the sender pays for gas.
  public let fee: Fee
  /// The most gas that the transaction may use.
  public let gasLimit: UInt64
  /// The account that is called, or nil to create a contract.
  public let to: Address?
  /// The transferred amount in wei.
  public let value: Word
  /// The call's input, or the code that creates a contract.
  public let data: [UInt8]

  /// A transaction that is valid on one chain only.
  public init(
    chainID: UInt64, nonce: UInt64, fee: Fee, gasLimit: UInt64, to: Address?, value: Word = .zero,
    data: [UInt8] = []
  ) {
    self.init(
      anyChainID: chainID, nonce: nonce, fee: fee, gasLimit: gasLimit, to: to, value: value,
      data: data)
  }

  /// A legacy transaction from before EIP-155, valid on every chain; most nodes refuse it.
  public static func unprotected(
    nonce: UInt64, gasPrice: Word, gasLimit: UInt64, to: Address?, value: Word = .zero,
    data: [UInt8] = []
  ) -> Transaction {
    Transaction(
      anyChainID: nil, nonce: nonce, fee: .legacy(gasPrice: gasPrice), gasLimit: gasLimit, to: to,
      value: value, data: data)
  }

  init(
    anyChainID chainID: UInt64?, nonce: UInt64, fee: Fee, gasLimit: UInt64, to: Address?,
    value: Word, data: [UInt8]
  ) {
    self.chainID = chainID
    self.nonce = nonce
    self.fee = fee
    self.gasLimit = gasLimit
    self.to = to
    self.value = value
    self.data = data
  }

  /// The digest that the sender signs.
  public var signingHash: Hash32 { Keccak256.hash(signingBytes) }

  /// Signs the transaction.
  public func signed(with key: SecretKey) -> SignedTransaction {
    SignedTransaction(self, signature: key.sign(signingHash))
  }
}

extension Transaction.Fee {
  /// The number of EIP-2718: 0, 1 or 2.
  public var transactionType: UInt8 {
    switch self {
    case .legacy: 0
    case .accessList: 1
    case .feeMarket: 2
    }
  }

  /// What the transaction says that it will touch; empty in a legacy one.
  public var accessList: [AccessListEntry] {
    switch self {
    case .legacy: []
    case .accessList(_, let entries), .feeMarket(_, _, let entries): entries
    }
  }

  /// The most that a unit of gas may cost, in wei.
  public var maxFeePerGas: Word {
    switch self {
    case .legacy(let price), .accessList(let price, _): price
    case .feeMarket(_, let maxFee, _): maxFee
    }
  }

  /// The most of it that may go to the miner, in wei.
  public var maxPriorityFeePerGas: Word {
    switch self {
    case .legacy(let price), .accessList(let price, _): price
    case .feeMarket(let priority, _, _): priority
    }
  }

  /// What a unit of gas costs in a block, in wei, or nil when the sender will not pay its base fee.
  public func effectiveGasPrice(baseFee: Word) -> Word? {
    guard maxFeePerGas >= baseFee else { return nil }
    let tip = min(maxPriorityFeePerGas, maxFeePerGas - baseFee)
    return baseFee + tip
  }
}

/// An account and the storage slots of it that a transaction says it will touch (EIP-2930).
public struct AccessListEntry: Hashable, Sendable {
  /// The account.
  public let address: Address
  /// The slots of its storage.
  public let storageKeys: [Hash32]

  /// An entry of an access list.
  public init(address: Address, storageKeys: [Hash32]) {
    self.address = address
    self.storageKeys = storageKeys
  }
}

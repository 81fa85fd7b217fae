public import EthereumPrimitives

/// A block header with the sixteen fields of the London fork (yellow paper, §4.4; EIP-1559).
public struct BlockHeader: Hashable, Sendable {
  /// The hash of the block before.
  public var parentHash: Hash32
  /// Who gets the tips.
  public var coinbase: Address
  /// The root of the accounts' trie after the block.
  public var stateRoot: Hash32
  /// The root of the transactions' trie.
  public var transactionsRoot: Hash32
  /// The root of the receipts' trie.
  public var receiptsRoot: Hash32
  /// The filter over all logs of the block, 256 bytes.
  public var logsBloom: [UInt8]
  /// 2 in proof-of-authority mode (the sealer's turn), else 0.
  public var difficulty: UInt64
  /// The block's height.
  public var number: UInt64
  /// The most gas that the block's transactions may use.
  public var gasLimit: UInt64
  /// The gas that they used.
  public var gasUsed: UInt64
  /// Seconds since 1970.
  public var timestamp: UInt64
  /// At most 32 bytes; 97 in proof-of-authority mode (vanity and seal).
  public var extraData: [UInt8]
  /// Wei a unit of gas that is burnt.
  public var baseFeePerGas: Word

  package init(
    parentHash: Hash32, coinbase: Address, stateRoot: Hash32, transactionsRoot: Hash32,
    receiptsRoot: Hash32, logsBloom: [UInt8], difficulty: UInt64, number: UInt64,
    gasLimit: UInt64, gasUsed: UInt64, timestamp: UInt64, extraData: [UInt8], baseFeePerGas: Word
  ) {
    self.parentHash = parentHash
    self.coinbase = coinbase
    self.stateRoot = stateRoot
    self.transactionsRoot = transactionsRoot
    self.receiptsRoot = receiptsRoot
    self.logsBloom = logsBloom
    self.difficulty = difficulty
    self.number = number
    self.gasLimit = gasLimit
    self.gasUsed = gasUsed
    self.timestamp = timestamp
    self.extraData = extraData
    self.baseFeePerGas = baseFeePerGas
  }

  /// keccak256 of the RLP of an empty list: the chain has no uncles.
  public static let noUncles = Keccak256.hash([0xc0])

  private static let noNonce = [UInt8](repeating: 0, count: 8)

  /// The header's RLP.
  public var encoded: [UInt8] { encoded(extraData: extraData) }

  /// keccak256 of the header's RLP.
  public var hash: Hash32 { Keccak256.hash(encoded) }

  /// The RLP with other extra data: a seal signs the header without itself.
  func encoded(extraData: [UInt8]) -> [UInt8] {
    var writer = RLPWriter(capacity: 640)
    writer.append(parentHash)
    writer.append(Self.noUncles)
    writer.append(coinbase)
    writer.append(stateRoot)
    writer.append(transactionsRoot)
    writer.append(receiptsRoot)
    writer.append(logsBloom)
    writer.append(difficulty)
    writer.append(number)
    writer.append(gasLimit)
    writer.append(gasUsed)
    writer.append(timestamp)
    writer.append(extraData)
    // Mix hash and nonce belong to proof of work.
    writer.append(Hash32.zero)
    writer.append(Self.noNonce)
    writer.append(baseFeePerGas)
    return writer.list()
  }
}

public import EVM
public import EthereumPrimitives

/// A transaction whose sender was recovered.
public struct RecoveredTransaction: Hashable, Sendable {
  /// The signed transaction.
  public let signed: SignedTransaction
  /// The signer.
  public let sender: Address

  /// Its hash.
  public var hash: Hash32 { signed.hash }
  /// The transaction without its signature.
  public var transaction: Transaction { signed.transaction }
}

/// A block: immutable once made, so that copies share it.
public final class Block: Sendable {
  /// The header, which the hash commits to.
  public let header: BlockHeader
  /// keccak256 of the header's RLP.
  public let hash: Hash32
  /// The transactions in the order of their execution.
  public let transactions: [RecoveredTransaction]
  /// One receipt for each transaction.
  public let receipts: [TransactionReceipt]
  /// The reverts that faults forced, by the transaction's position.
  let forcedReverts: [Int: Revert]
  /// The bytes of the whole block's RLP.
  public let size: Int
  /// The sum of all difficulties up to and including this block.
  let totalDifficulty: UInt64

  /// The block's height.
  public var number: UInt64 { header.number }

  init(
    header: BlockHeader, transactions: [RecoveredTransaction], receipts: [TransactionReceipt],
    forcedReverts: [Int: Revert] = [:], parentDifficulty: UInt64
  ) {
    let encodedHeader = header.encoded
    self.header = header
    hash = Keccak256.hash(encodedHeader)
    self.transactions = transactions
    self.receipts = receipts
    self.forcedReverts = forcedReverts
    totalDifficulty = parentDifficulty + header.difficulty
    size = Self.size(header: encodedHeader.count, transactions, fork: header.fork)
  }

  /// A block of another chain, without its transactions.
  /// - Parameter hash: the block's, whose header may have fields that are not kept.
  init(remote header: BlockHeader, hash: Hash32, totalDifficulty: UInt64) {
    self.header = header
    self.hash = hash
    self.totalDifficulty = totalDifficulty
    transactions = []
    receipts = []
    forcedReverts = [:]
    size = Self.size(header: header.encoded.count, [], fork: header.fork)
  }

  /// The revert that a fault forced on a transaction with this call; nil when there is none.
  ///
  /// A call on this block that repeats a reverted transaction gets the fault's reason.
  func forcedRevert(of call: CallRequest) -> Revert? {
    let index = forcedReverts.keys.sorted().first { index in
      let sent = transactions[index]
      return sent.sender == call.from && sent.transaction.to == call.to
        && sent.transaction.value == call.value && sent.transaction.data == call.input
    }
    return index.flatMap { forcedReverts[$0] }
  }

  /// The whole block's RLP: header, transactions, no uncles, and from Shanghai on no withdrawals.
  var encoded: [UInt8] {
    var body = RLPWriter(capacity: size)
    for transaction in transactions {
      let raw = transaction.signed.raw
      if raw[0] < 0xc0 { body.append(raw) } else { body.append(encoded: raw) }
    }
    var block = RLPWriter(capacity: size)
    block.append(encoded: header.encoded)
    block.append(encoded: body.list())
    block.append(encoded: [0xc0])
    if header.fork >= .shanghai { block.append(encoded: [0xc0]) }
    return block.list()
  }

  /// The length of the whole block's RLP.
  private static func size(
    header: Int, _ transactions: [RecoveredTransaction], fork: Hardfork
  ) -> Int {
    let body = transactions.reduce(0) { sum, transaction in
      // A typed transaction is a byte string inside a block, a legacy one the list it is.
      let raw = transaction.signed.raw
      return sum + (raw[0] < 0xc0 ? RLPLength.ofString(raw) : raw.count)
    }
    let emptyLists = fork >= .shanghai ? 2 : 1
    return RLPLength.ofList(payload: header + RLPLength.ofList(payload: body) + emptyLists)
  }
}

/// A block header with the sixteen fields of the London fork (yellow paper, §4.4; EIP-1559), and those
/// that Shanghai (EIP-4895) and Cancun (EIP-4844, EIP-4788) added.
///
/// The chain has neither withdrawals nor blobs nor a beacon chain, so that the added fields have one
/// value each.
public struct BlockHeader: Hashable, Sendable {
  /// The hash of the block before.
  public var parentHash: Hash32
  /// The account that gets the tips.
  public var coinbase: Address
  /// The root of the accounts' trie after the block.
  public var stateRoot: Hash32
  /// The root of the transactions' trie.
  public var transactionsRoot: Hash32
  /// The root of the receipts' trie.
  public var receiptsRoot: Hash32
  /// The filter over all logs of the block, 256 bytes.
  public var logsBloom: [UInt8]
  /// 2 in proof-of-authority mode (the sealer's turn), 1 in its genesis, else 0.
  public var difficulty: UInt64
  /// The block's height.
  public var number: UInt64
  /// The most gas that the block's transactions may use.
  public var gasLimit: UInt64
  /// The gas that they used.
  public var gasUsed: UInt64
  /// Seconds since 1970.
  public var timestamp: UInt64
  /// At most 32 bytes; in proof-of-authority mode 97 (vanity and seal), and 117 in the genesis
  /// (vanity, sealer and no seal) and at checkpoints (vanity, sealer and seal).
  public var extraData: [UInt8]
  /// Wei a unit of gas that is burnt.
  public var baseFeePerGas: Word
  /// The fork whose fields the header has; London in proof-of-authority mode (EIP-225).
  public var fork: Hardfork

  package init(
    parentHash: Hash32, coinbase: Address, stateRoot: Hash32, transactionsRoot: Hash32,
    receiptsRoot: Hash32, logsBloom: [UInt8], difficulty: UInt64, number: UInt64,
    gasLimit: UInt64, gasUsed: UInt64, timestamp: UInt64, extraData: [UInt8], baseFeePerGas: Word,
    fork: Hardfork = .london
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
    self.fork = fork
  }

  /// keccak256 of the RLP of an empty list: the chain has no uncles.
  public static let noUncles = Keccak256.hash([0xc0])

  /// The root of a trie without withdrawals.
  static let noWithdrawals = MerkleTrie<[UInt8]>.emptyRoot

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
    if fork >= .shanghai { writer.append(Self.noWithdrawals) }
    if fork >= .cancun {
      // No gas of blobs, no excess of it, and no beacon chain.
      writer.append(UInt64(0))
      writer.append(UInt64(0))
      writer.append(Hash32.zero)
    }
    return writer.list()
  }
}

/// The part of a header that names the block's maker.
enum Seal {
  /// The vanity without its zeros.
  private static let name = Array("plumise-petals-e2e".utf8)
  /// 32 bytes of the sealer's own choice (Clique, EIP-225).
  static let vanity = name + [UInt8](repeating: 0, count: 32 - name.count)

  /// A block's difficulty: 2 in proof-of-authority mode, where the sealer is in turn, else 0.
  static func difficulty(sealer: SecretKey?) -> UInt64 { sealer == nil ? 0 : 2 }

  /// The fork whose fields a header has: Clique's has London's, whatever the rules of bytecode.
  static func fork(_ rules: ChainRules, sealer: SecretKey?) -> Hardfork {
    sealer == nil ? rules.hardfork : .london
  }

  /// After how many blocks the sealers are listed again (EIP-225, `EPOCH_LENGTH`).
  static let checkpointInterval: UInt64 = 30_000

  /// Puts extra data and difficulty into a header: in proof-of-authority mode the vanity, at a checkpoint
  /// the sealer's address, and the sealer's signature over the header that has these alone; else the
  /// vanity without zeros.
  ///
  /// The genesis has the sealer's address, and no signature.
  static func apply(to header: inout BlockHeader, sealer: SecretKey?, _ rules: ChainRules) {
    guard let sealer else {
      header.extraData = name
      return
    }
    guard header.number > 0 else {
      header.difficulty = 1
      header.extraData = vanity + sealer.address.bytes + [UInt8](repeating: 0, count: 65)
      return
    }
    header.difficulty = difficulty(sealer: sealer)
    let isCheckpoint = rules.followsClique && header.number.isMultiple(of: checkpointInterval)
    let unsealed = isCheckpoint ? vanity + sealer.address.bytes : vanity
    let signature = sealer.sign(Keccak256.hash(header.encoded(extraData: unsealed)))
    header.extraData =
      unsealed + signature.r.bigEndianBytes + signature.s.bigEndianBytes + [signature.yParity]
  }
}

/// The base fee's rule (EIP-1559).
package enum BaseFee {
  static let elasticity: UInt64 = 2
  static let maxChangeDenominator: UInt64 = 8
  /// The base fee of the first block: 1 gwei.
  package static let initial: Word = 1_000_000_000

  /// The base fee of the block after one that used some gas of its limit.
  package static func next(after baseFee: Word, gasUsed: UInt64, gasLimit: UInt64) -> Word {
    let target = gasLimit / elasticity
    guard gasUsed != target, target > 0 else { return baseFee }
    let distance = Word(gasUsed > target ? gasUsed - target : target - gasUsed)
    let (product, overflow) = baseFee.multipliedReportingOverflow(by: distance)
    // Beyond 256 bits it is divided first: nobody pays so much that the last digits count.
    let change =
      overflow
      ? (baseFee / Word(target) / Word(maxChangeDenominator))
        .multipliedReportingOverflow(by: distance).partialValue
      : product / Word(target) / Word(maxChangeDenominator)
    return gasUsed > target ? baseFee.adding(max(change, 1), upTo: .max) : baseFee - change
  }

  /// The base fee of the block after another one.
  static func next(after header: BlockHeader) -> Word {
    next(after: header.baseFeePerGas, gasUsed: header.gasUsed, gasLimit: header.gasLimit)
  }
}

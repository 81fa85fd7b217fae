import EVM
public import EthereumPrimitives
public import Foundation
import Inflate
import PlumiseWire

/// One transaction on a given state, with what must come of it: a line in the format of Ethereum's
/// state tests, one fork and one choice of data, gas and value a line.
public struct StateTest: Sendable {
  /// Folder, file and test of the source.
  public let name: String
  /// Which of the test's data, gas and value is used; together with the name they tell lines apart.
  public let indexes: (data: Int, gas: Int, value: Int)
  /// The rules, as the source spells them.
  public let fork: String
  /// The state root after the transaction.
  public let expectedRoot: Hash32
  /// keccak256 of the RLP of all logs.
  public let expectedLogs: Hash32
  /// Why the transaction is invalid, in the words of the source; nil when it is valid.
  public let expectedException: String?
  let hardfork: Hardfork
  let block: BlockContext
  let pre: MapState
  let transaction: Transaction
  let sender: Address
  let key: SecretKey
  let raw: [UInt8]

  /// Reads a line.
  init(_ line: [UInt8]) throws(FieldError) {
    let json: JSON
    do { json = try JSON.parse(line) } catch {
      throw FieldError("the line", "is no JSON: \(error)")
    }
    let fields = try Fields(json, "")
    name = try fields.text("name")
    fork = try fields.text("fork")
    guard let hardfork = Hardfork(rawValue: fork.lowercased()) else {
      let known = Hardfork.allCases.map(\.rawValue).joined(separator: ", ")
      throw FieldError("fork", "is \(fork); this machine knows \(known)")
    }
    self.hardfork = hardfork
    let places = try fields.child("indexes")
    func place(_ key: String) throws(FieldError) -> Int {
      guard let value = places.object[key]?.integerValue, value >= 0 else {
        throw FieldError("indexes.\(key)", "must be a whole number")
      }
      return Int(value)
    }
    indexes = (try place("data"), try place("gas"), try place("value"))
    block = try Self.block(try fields.child("env"), hardfork)
    pre = try MapState(try fields.child("pre"))
    let sent = try fields.child("transaction")
    transaction = try Self.transaction(sent)
    sender = try sent.address("sender")
    do { key = try SecretKey(bytes: try sent.bytes("secretKey")) } catch let error as FieldError {
      throw error
    } catch { throw FieldError("transaction.secretKey", "\(error)") }
    raw = try fields.bytes("txbytes")
    let post = try fields.child("post")
    expectedRoot = try post.hash("hash")
    expectedLogs = try post.hash("logs")
    expectedException = try fields.optionalText("expectException")
  }

  private static func block(_ env: Fields, _ fork: Hardfork) throws(FieldError) -> BlockContext {
    var block = BlockContext(chainID: 1)
    block.number = try env.integer("currentNumber")
    block.timestamp = try env.integer("currentTimestamp")
    block.coinbase = try env.address("currentCoinbase")
    block.gasLimit = try env.integer("currentGasLimit")
    block.baseFee = try env.word("currentBaseFee")
    if fork >= .paris {
      block.random = try env.word("currentRandom")
    } else {
      block.difficulty = try env.word("currentDifficulty")
    }
    if fork >= .cancun {
      block.blobBaseFee = BlockContext.blobBaseFee(excess: try env.integer("currentExcessBlobGas"))
    }
    return block
  }

  private static func transaction(_ fields: Fields) throws(FieldError) -> Transaction {
    let nonce = try fields.integer("nonce")
    let gasLimit = try fields.integer("gasLimit")
    let to = try fields.optionalText("to") == nil ? nil : try fields.address("to")
    let (value, data) = (try fields.word("value"), try fields.bytes("data"))
    let type = try fields.integer("type")
    let chainID = try fields.optionalWord("chainId")
    guard let chainID else {
      guard type == 0 else { throw FieldError("transaction.chainId", "is missing") }
      return .unprotected(
        nonce: nonce, gasPrice: try fields.word("gasPrice"), gasLimit: gasLimit, to: to,
        value: value, data: data)
    }
    guard let id = chainID.exactUInt64() else {
      throw FieldError("transaction.chainId", "exceeds 64 bits")
    }
    let fee: Transaction.Fee
    switch type {
    case 0: fee = .legacy(gasPrice: try fields.word("gasPrice"))
    case 1: fee = .accessList(gasPrice: try fields.word("gasPrice"), try accessList(fields))
    case 2:
      fee = .feeMarket(
        maxPriorityFeePerGas: try fields.word("maxPriorityFeePerGas"),
        maxFeePerGas: try fields.word("maxFeePerGas"), try accessList(fields))
    default: throw FieldError("transaction.type", "is \(type); 0, 1 and 2 are known")
    }
    return Transaction(
      chainID: id, nonce: nonce, fee: fee, gasLimit: gasLimit, to: to, value: value, data: data)
  }

  private static func accessList(_ fields: Fields) throws(FieldError) -> [AccessListEntry] {
    guard let list = fields.object["accessList"]?.arrayValue else {
      throw FieldError("transaction.accessList", "must be an array")
    }
    var entries: [AccessListEntry] = []
    for (index, item) in list.enumerated() {
      let entry = try Fields(item, "transaction.accessList[\(index)]")
      var keys: [Hash32] = []
      for key in entry.object["storageKeys"]?.arrayValue ?? [] {
        let name = "transaction.accessList[\(index)].storageKeys"
        guard let text = key.stringValue else { throw FieldError(name, "must hold strings") }
        keys.append(Hash32(word: try Fields.word(text, name)))
      }
      entries.append(AccessListEntry(address: try entry.address("address"), storageKeys: keys))
    }
    return entries
  }
}

/// A file of state tests: one JSON object a line, plain or packed by gzip.
public struct StateTestFile: Sendable {
  /// The lines that are not empty, each with its number from 1.
  public let lines: [(number: Int, bytes: [UInt8])]
  /// What the file is called in messages.
  public let path: String

  /// The most that a file may hold when unpacked, in bytes.
  private static let unpackedLimit = 1 << 30

  /// Reads a file.
  ///
  /// - Throws: ``StateTestError`` when it cannot be read or holds no line.
  public init(_ url: URL) throws(StateTestError) {
    path = url.path
    var bytes: [UInt8]
    do {
      bytes = [UInt8](try Data(contentsOf: url))
    } catch {
      throw StateTestError(place: url.path, reason: "cannot be read; is it there, and a file?")
    }
    if Inflater.isGzip(bytes) {
      do { bytes = try Inflater.unpack(bytes, .gzip, limit: Self.unpackedLimit) } catch {
        throw StateTestError(place: url.path, reason: "it is no whole gzip file: \(error)")
      }
    }
    lines = bytes.split(separator: 0x0a, omittingEmptySubsequences: false).enumerated()
      .filter { !$0.element.isEmpty }
      .map { ($0.offset + 1, Array($0.element)) }
    guard !lines.isEmpty else {
      throw StateTestError(place: url.path, reason: "holds no test; one JSON object a line")
    }
  }

  /// The test of a line.
  ///
  /// - Throws: ``StateTestError`` with file, line and field.
  public func test(_ line: (number: Int, bytes: [UInt8])) throws(StateTestError) -> StateTest {
    do { return try StateTest(line.bytes) } catch {
      throw StateTestError(place: "\(path):\(line.number)", reason: error.description)
    }
  }
}

/// Why a file of state tests cannot be used.
public struct StateTestError: Error, Sendable, CustomStringConvertible {
  /// The file, with the line where there is one.
  public let place: String
  /// What is wrong.
  public let reason: String

  /// One line.
  public var description: String { "\(place): \(reason)" }
}

/// Runs state tests.
public struct StateTestRunner: Sendable {
  private let machines: [Hardfork: VirtualMachine]

  /// A runner whose tests share code that is ready to run.
  public init() {
    let codes = CodeCache()
    machines = Dictionary(
      uniqueKeysWithValues: Hardfork.allCases.map { ($0, VirtualMachine(fork: $0, codes: codes)) })
  }

  /// What a test came to.
  public struct Verdict: Sendable {
    /// The state root after the transaction.
    public let root: Hash32
    /// keccak256 of the RLP of all logs.
    public let logs: Hash32
    /// What differs from the test, one a line; empty when all is equal.
    public var differences: [String] {
      let roots = root == test.expectedRoot ? [] : ["the root differs"]
      return others + roots + (logs == test.expectedLogs ? [] : ["the logs differ"])
    }
    /// What differs besides root and logs: whether the transaction is valid, who signed it, and its
    /// bytes.
    public let others: [String]
    fileprivate let test: StateTest
  }

  /// Runs a test.
  public func run(_ test: StateTest) -> Verdict {
    var differences = signatureDifferences(test)
    guard let machine = machines[test.hardfork] else { preconditionFailure("every fork has one") }
    var state = test.pre
    var logs: [Log] = []
    do throws(InvalidTransactionError) {
      let outcome = try machine.execute(
        test.transaction, from: test.sender, on: state, in: test.block)
      logs = outcome.logs
      state.apply(outcome.effects)
      if let exception = test.expectedException {
        differences.append("the transaction is valid; expected \(exception)")
      }
    } catch {
      state.apply(machine.touchCoinbase(test.block, on: state))
      if test.expectedException == nil {
        differences.append("the transaction is invalid: \(error)")
      }
    }
    return Verdict(
      root: state.root, logs: Self.hash(logs), others: differences, test: test)
  }

  /// The key must be the sender's, and sign the very bytes that were sent.
  private func signatureDifferences(_ test: StateTest) -> [String] {
    var differences: [String] = []
    if test.key.address != test.sender {
      differences.append("sender: expected \(test.sender), the key's is \(test.key.address)")
    }
    let signed = test.transaction.signed(with: test.key)
    if signed.raw != test.raw {
      let (expected, actual) = (Hex.encode(test.raw), Hex.encode(signed.raw))
      differences.append("txbytes: expected \(expected), actual \(actual)")
    } else if (try? SignedTransaction(raw: test.raw).sender()) != test.sender {
      differences.append("txbytes: they do not come from \(test.sender)")
    }
    return differences
  }

  /// keccak256 of the RLP of a list of [address, [topics], data].
  static func hash(_ logs: [Log]) -> Hash32 {
    var list = RLPWriter()
    for log in logs {
      var topics = RLPWriter()
      for topic in log.topics { topics.append(topic) }
      var item = RLPWriter(capacity: log.data.count + 200)
      item.append(log.address)
      item.append(encoded: topics.list())
      item.append(log.data)
      list.append(encoded: item.list())
    }
    return list.listHash()
  }
}

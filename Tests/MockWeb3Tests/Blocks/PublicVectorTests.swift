import EVM
import EthereumPrimitives
import Foundation
import MockWeb3
import PlumiseWire
import TestSupport
import TestVectors
import Testing

/// The public vectors of Ethereum's own test suite; `ethereum-tests.json` says which, and what of
/// them was left out and why.
@Suite("Ethereum's public vectors", .timeLimit(.minutes(5)))
struct PublicVectorTests {
  private func section(_ name: String) throws -> [JSONObject.Member] {
    let root = try JSON.parse(Array(Data(contentsOf: TestVectors.ethereumTests)))
    let members = root[name]?.objectValue?.members ?? []
    try #require(!members.isEmpty, "\(name) is empty")
    return members
  }

  /// An item as the vectors write it: text, bytes behind `0x`, integers, large ones behind `#`.
  private func item(_ json: JSON) throws -> RLP.Item {
    switch json {
    case .array(let elements): return .list(try elements.map(item))
    case .number(let number):
      return .integer(UInt64(try #require(number.integer)))
    case .string(let text) where text.hasPrefix("#"):
      // One vector is 2²⁵⁶, which no word holds: its bytes are spelled out.
      if text.dropFirst() == Self.tooLarge { return .bytes([1] + [UInt8](repeating: 0, count: 32)) }
      return .integer(try Word(decimal: text.dropFirst()))
    case .string(let text) where text.hasPrefix("0x"): return .bytes(try Hex.decode(text))
    case .string(let text): return .bytes(Array(text.utf8))
    default: throw NotAnItem(json: json)
    }
  }

  private static let tooLarge =
    "115792089237316195423570985008687907853269984665640564039457584007913129639936"

  struct NotAnItem: Error { let json: JSON }

  @Test("RLP is written and read as the vectors say")
  func rlp() throws {
    let vectors = try section("rlp")
    #expect(vectors.count == 28)
    for vector in vectors {
      let item = try item(try #require(vector.value["in"]))
      let bytes = try Hex.decode(try #require(vector.value["out"]?.stringValue))
      #expect(RLP.encode(item) == bytes, "\(vector.key)")
      #expect(try RLP.decode(bytes) == item, "\(vector.key)")
    }
  }

  @Test("RLP that is not the one encoding of anything is refused")
  func invalidRLP() throws {
    let vectors = try section("invalidRLP")
    #expect(vectors.count == 17)
    for vector in vectors {
      let bytes = try Hex.decode(try #require(vector.value.stringValue))
      #expect(throws: RLPError.self, "\(vector.key)") { try RLP.decode(bytes) }
    }
  }

  @Test("Transactions have the vectors' hashes and senders, or are refused for their reasons")
  func transactions() throws {
    let vectors = try section("transactions")
    #expect(vectors.count == 54)
    for vector in vectors {
      let raw = try Hex.decode(try #require(vector.value["txbytes"]?.stringValue))
      if let gas = vector.value["intrinsicGas"]?.stringValue {
        let needed = IntrinsicGas.of(
          try SignedTransaction(raw: raw).transaction, fork: .london)
        #expect(try Word(needed) == Quantity.decode(gas), "\(vector.key)")
      }
      if let exception = vector.value["exception"]?.stringValue {
        #expect(try refusal(of: raw) == exception, "\(vector.key)")
      } else {
        let signed = try SignedTransaction(raw: raw)
        #expect(signed.hash.hex == vector.value["hash"]?.stringValue, "\(vector.key)")
        #expect(
          try signed.sender().lowercaseHex == vector.value["sender"]?.stringValue, "\(vector.key)")
        // What was read is written as it came.
        #expect(
          SignedTransaction(signed.transaction, signature: signed.signature).raw == raw,
          "\(vector.key)")
      }
    }
  }

  @Test("A transaction whose RLP is wrong is refused before anything else is looked at")
  func wrongRLP() throws {
    let vectors = try section("wrongRLP")
    #expect(vectors.count == 12)
    for vector in vectors {
      let bytes = try Hex.decode(try #require(vector.value.stringValue))
      #expect(throws: TransactionError.self, "\(vector.key)") { try SignedTransaction(raw: bytes) }
    }
  }

  @Test("Every vector that was left out says why, and is left out indeed")
  func leftOut() throws {
    let names = ["rlp", "invalidRLP", "transactions", "wrongRLP", "tries", "secureTries"]
    let used = try Set(names.flatMap { try section($0).map(\.key) })
    let leftOut = try section("leftOut")
    #expect(leftOut.count == 176)
    for vector in leftOut {
      #expect(!used.contains(vector.key))
      #expect((vector.value.stringValue ?? "").count > 20, "\(vector.key)")
    }
  }

  /// Why a chain of id 1 refuses a transaction, in the vectors' words; nil when it does not.
  private func refusal(of raw: [UInt8]) throws -> String? {
    var configuration = ChainConfiguration(chainID: 1)
    // The vectors are about what a block may hold, not about what a node takes over JSON-RPC.
    configuration.transactionFeeCap = nil
    var chain = Chain(configuration, now: TestChain.time)
    do {
      let incoming = try IncomingTransaction(raw: raw)
      guard let sender = incoming.sender else { return "EC_RECOVERY_FAIL" }
      chain.edit(.balance(sender, .max))
      // The chain takes no transaction that is bound to none, whatever else is wrong with it.
      let transaction = incoming.signed.transaction
      if transaction.chainID == nil,
        transaction.gasLimit < IntrinsicGas.of(transaction, fork: .london)
      {
        return "INTRINSIC_GAS_TOO_LOW"
      }
      _ = try chain.submit(incoming, now: TestChain.time)
      return nil
    } catch {
      return Self.words(for: error)
    }
  }

  private static func words(for error: PoolError) -> String {
    switch error {
    case .undecodable(.wrongLength(.accessList, let expected, let actual)):
      "RLP_INVALID_ACCESS_LIST_\(expected == 20 ? "ADDRESS" : "STORAGE")"
        + "_TOO_\(actual > expected ? "LONG" : "SHORT")"
    case .undecodable(.wrongLength(.to, let expected, let actual)):
      "ADDRESS_TOO_\(actual > expected ? "LONG" : "SHORT")"
    case .undecodable(.leadingZero(.nonce)): "RLP_LEADING_ZEROS_NONCE"
    case .undecodable(.leadingZero(.maxFeePerGas)): "RLP_LEADING_ZEROS_BASEFEE"
    case .undecodable(.leadingZero(.maxPriorityFeePerGas)): "RLP_LEADING_ZEROS_PRIORITY_FEE"
    case .undecodable(.tooLarge(.maxFeePerGas, _)): "GASPRICE_OVERFLOW"
    case .undecodable(.tooLarge(.maxPriorityFeePerGas, _)): "PRIORITY_OVERFLOW"
    case .undecodable(.signature), .undecodable(.invalidV): "INVALID_SIGNATURE_VRS"
    case .tipAboveFeeCap: "PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS"
    // Even the largest balance there is does not cover a cost that no word holds.
    case .insufficientFunds(.max, .max): "GASLIMIT_PRICE_PRODUCT_OVERFLOW"
    case .invalidSender: "INVALID_CHAINID"
    default: "\(error)"
    }
  }

  @Test("Tries have the vectors' roots, whatever was put in and taken out on the way")
  func tries() throws {
    func bytes(_ json: JSON?) throws -> [UInt8] {
      let text = try #require(json?.stringValue)
      return text.hasPrefix("0x") ? try Hex.decode(text) : Array(text.utf8)
    }
    let vectors = try section("tries")
    #expect(vectors.count == 4)
    for vector in vectors {
      var trie = MerkleTrie<[UInt8]>()
      for pair in vector.value["in"]?.arrayValue ?? [] {
        let isRemoval = pair[1]?.isNull ?? true
        trie[try bytes(pair[0])] = isRemoval ? nil : try bytes(pair[1])
      }
      #expect(trie.rootHash.hex == vector.value["root"]?.stringValue, "\(vector.key)")
    }
  }

  @Test("A secure trie's keys are hashes")
  func secureTries() throws {
    let vectors = try section("secureTries")
    for vector in vectors {
      var trie = MerkleTrie<[UInt8]>()
      let pairs = vector.value["in"]?.arrayValue ?? []
      #expect(pairs.count == 5)
      for pair in pairs {
        let key = try Hex.decode(try #require(pair[0]?.stringValue))
        trie[Keccak256.hash(key).bytes] = try Hex.decode(try #require(pair[1]?.stringValue))
      }
      #expect(trie.rootHash.hex == vector.value["root"]?.stringValue, "\(vector.key)")
    }
  }
}

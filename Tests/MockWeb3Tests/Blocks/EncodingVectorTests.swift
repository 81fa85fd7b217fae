import EVM
import EthereumClient
import EthereumPrimitives
import Foundation
import MockWeb3
import PlumiseWire
import TestSupport
import TestVectors
import Testing

@Suite("Blocks as bytes", .timeLimit(.minutes(5)))
struct BlockEncodingTests {
  @Test("A header's hash is that of another implementation's RLP")
  func headerHashes() throws {
    for vector in try ChainVectors.section("headers") {
      let header = BlockHeader(
        parentHash: try vector.hash("parentHash"), coinbase: try vector.address("coinbase"),
        stateRoot: try vector.hash("stateRoot"),
        transactionsRoot: try vector.hash("transactionsRoot"),
        receiptsRoot: try vector.hash("receiptsRoot"), logsBloom: try vector.bytes("logsBloom"),
        difficulty: try integer(vector, "difficulty"), number: try integer(vector, "number"),
        gasLimit: try integer(vector, "gasLimit"), gasUsed: try integer(vector, "gasUsed"),
        timestamp: try integer(vector, "timestamp"), extraData: try vector.bytes("extraData"),
        baseFeePerGas: try vector.decimal("baseFeePerGas"))
      #expect(try header.hash == vector.hash("hash"))
    }
  }

  @Test("A header has the fields of its fork")
  func forkHeaders() throws {
    let vectors = try ChainVectors.section("forkHeaders")
    #expect(vectors.count == Hardfork.allCases.count)
    for vector in vectors {
      let fork = try #require(vector["fork"]?.stringValue.flatMap(Hardfork.init(rawValue:)))
      let header = BlockHeader(
        parentHash: try Hash32(bytes: Array(repeating: 7, count: 32)),
        coinbase: try Address(bytes: Array(repeating: 1, count: 20)),
        stateRoot: try Hash32(bytes: Array(repeating: 2, count: 32)),
        transactionsRoot: MerkleTrie<[UInt8]>.emptyRoot,
        receiptsRoot: MerkleTrie<[UInt8]>.emptyRoot, logsBloom: LogsBloom().bytes, difficulty: 0,
        number: 12, gasLimit: 30_000_000, gasUsed: 0, timestamp: 1_770_198_622,
        extraData: Array("x".utf8), baseFeePerGas: 7, fork: fork)
      #expect(try header.hash == vector.hash("hash"), "\(fork)")
    }
  }

  private func integer(_ vector: JSON, _ key: String) throws -> UInt64 {
    try #require(vector.decimal(key).exactUInt64())
  }

  @Test("Receipts and their blooms are those of another implementation")
  func receipts() throws {
    for vector in try ChainVectors.section("receipts") {
      let logs = try (vector["logs"]?.arrayValue ?? []).map { log in
        LogEntry(
          address: try log.address("address"),
          topics: try (log["topics"]?.arrayValue ?? []).map { try Hash32($0.stringValue ?? "") },
          data: try log.bytes("data"))
      }
      let bloom = LogsBloom(logs)
      #expect(try bloom.bytes == vector.bytes("bloom"))
      #expect(logs.allSatisfy { bloom.mayContain($0.address.bytes) })
      let encoded = TransactionReceipt.consensusBytes(
        type: UInt8(try vector.number("type")), succeeded: true,
        cumulativeGasUsed: try vector.number("cumulativeGasUsed"), bloom: bloom, logs: logs)
      #expect(try encoded == vector.bytes("encoded"))
    }
  }

  @Test("The base fee follows the formula of EIP-1559")
  func baseFees() throws {
    for vector in try ChainVectors.section("baseFees") {
      let next = BaseFee.next(
        after: try vector.decimal("baseFee"), gasUsed: try vector.number("gasUsed"),
        gasLimit: 30_000_000)
      #expect(try next == vector.decimal("next"), "\(vector)")
    }
  }

  @Test(
    "Intrinsic gas counts every byte",
    arguments: [([], 21_000), ([0], 21_004), ([1], 21_016), ([0, 0, 255], 21_024)]
      as [([UInt8], UInt64)])
  func intrinsicGas(data: [UInt8], gas: UInt64) {
    #expect(IntrinsicGas.of(data: data, fork: .london) == gas)
  }
}

@Suite("Merkle-Patricia trie", .timeLimit(.minutes(5)))
struct MerkleTrieTests {
  @Test("An empty trie has the root that Ethereum knows")
  func emptyRoot() throws {
    let expected = try Hash32("0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421")
    #expect(MerkleTrie<[UInt8]>().rootHash == expected)
  }

  @Test("Keys that are prefixes of others get the roots of another implementation")
  func strings() throws {
    for vector in try ChainVectors.section("stringTries") {
      var trie = MerkleTrie<[UInt8]>()
      for pair in vector["pairs"]?.arrayValue ?? [] {
        let (key, value) = (pair[0]?.stringValue ?? "", pair[1]?.stringValue ?? "")
        trie[Array(key.utf8)] = Array(value.utf8)
        #expect(trie[Array(key.utf8)] == Array(value.utf8))
      }
      #expect(try trie.rootHash == vector.hash("root"))
    }
  }

  @Test("Lists keyed by position get the roots of another implementation")
  func lists() throws {
    for vector in try ChainVectors.section("listTries") {
      let items = try (vector["items"]?.arrayValue ?? []).map {
        try Hex.decode($0.stringValue ?? "")
      }
      #expect(try MerkleTrie.root(ofList: items) == vector.hash("root"), "\(items.count) items")
    }
  }

  @Test("Accounts added and taken out one by one give another implementation's root at each step")
  func accounts() throws {
    var trie = MerkleTrie<Account>()
    for step in try ChainVectors.accounts("added") {
      let key = Keccak256.hash(try step.address("address").bytes).bytes
      trie[key] = Account(nonce: try step.number("nonce"), balance: try step.decimal("balance"))
      #expect(try trie.rootHash == step.hash("root"))
    }
    for step in try ChainVectors.accounts("removed") {
      trie[Keccak256.hash(try step.address("address").bytes).bytes] = nil
      #expect(try trie.rootHash == step.hash("root"))
    }
    #expect(trie.isEmpty)
  }

  @Test("A copy keeps its content when the original changes")
  func copies() {
    var trie = MerkleTrie<[UInt8]>()
    trie[[1, 2]] = [1]
    let copy = trie
    let before = copy.rootHash
    trie[[1, 3]] = [2]
    trie[[1, 2]] = nil
    #expect(copy[[1, 2]] == [1])
    #expect(copy[[1, 3]] == nil)
    #expect(copy.rootHash == before)
  }
}

@Suite("Contract calls of another implementation", .timeLimit(.minutes(5)))
struct CalldataTests {
  @Test("Every call of the golden data names a function that the contracts have")
  func calldata() async throws {
    let network = TestChain()
    let vectors = try ChainVectors.ethereum("calldata").filter {
      $0["to"] == .string(PlumiseNetwork.Contract.rewardPool.lowercaseHex)
    }
    #expect(vectors.count == 11)
    for vector in vectors {
      let input = try vector.bytes("data")
      // The vectors send the registry's questions to the pool's address as well.
      let isRegistry = ["isRegistered", "isActive", "getAgent"].contains {
        vector["function"]?.stringValue?.hasPrefix($0) ?? false
      }
      let contract =
        isRegistry
        ? PlumiseNetwork.Contract.agentRegistry : PlumiseNetwork.Contract.rewardPool
      let reason = try await network.revertReason(
        input, to: contract, from: network.account(0))
      // A revert without a reason is an unknown function or arguments that do not fit.
      #expect(reason != "", "\(vector["function"] ?? .null)")
    }
  }
}

/// The golden data of the chain, made by other implementations.
enum ChainVectors {
  /// A section of chain.json; one that is missing or empty fails.
  static func section(_ name: String) throws -> [JSON] {
    try cases(in: root(TestVectors.chain)[name], name)
  }

  /// The accounts' trie, step by step.
  static func accounts(_ name: String) throws -> [JSON] {
    try cases(in: root(TestVectors.chain)["accounts"]?[name], name)
  }

  /// A section of ethereum.json.
  static func ethereum(_ name: String) throws -> [JSON] {
    try cases(in: root(TestVectors.ethereum)[name], name)
  }

  private static func root(_ url: URL) throws -> JSON {
    try JSON.parse(Array(Data(contentsOf: url)))
  }

  private static func cases(in json: JSON?, _ name: String) throws -> [JSON] {
    guard let cases = json?.arrayValue, !cases.isEmpty else { throw Missing(field: name) }
    return cases
  }

  struct Missing: Error { let field: String }
}

extension JSON {
  func text(_ key: String) throws -> String {
    guard let text = self[key]?.stringValue else { throw ChainVectors.Missing(field: key) }
    return text
  }

  func number(_ key: String) throws -> UInt64 {
    guard let number = self[key]?.integerValue else { throw ChainVectors.Missing(field: key) }
    return UInt64(number)
  }

  func bytes(_ key: String) throws -> [UInt8] { try Hex.decode(text(key)) }
  func hash(_ key: String) throws -> Hash32 { try Hash32(text(key)) }
  func address(_ key: String) throws -> Address { try Address(text(key)) }
  func decimal(_ key: String) throws -> Word { try Word(decimal: text(key)) }
}

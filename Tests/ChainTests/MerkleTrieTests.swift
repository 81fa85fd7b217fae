import EthereumPrimitives
import MockWeb3
import PlumiseWire
import Testing

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

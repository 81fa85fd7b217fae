import AsyncPrimitives
import EthereumPrimitives
import MockWeb3
import Testing

/// Maps and tries share what copies have in common, and change the rest in place: no copy may see what
/// is written to another one.
@Suite("Structures that copies share", .timeLimit(.minutes(5)))
struct SharedStructureTests {
  @Test("Copies of a map keep their values, whatever is written to others", arguments: 0..<4)
  func maps(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var pairs: [(map: PersistentMap<UInt64>, copy: [Address: UInt64])] = [(.init(), [:])]
    for _ in 0..<2000 {
      let index = Int.random(in: pairs.indices, using: &random)
      let address = Self.address(&random)
      let value = Int.random(in: 0..<4, using: &random) == 0 ? nil : random.next()
      if pairs.count < 6, Int.random(in: 0..<10, using: &random) == 0 { pairs.append(pairs[index]) }
      pairs[index].map[address] = value
      pairs[index].copy[address] = value
    }
    for number in 0..<Self.addresses {
      let address = Self.address(number)
      for pair in pairs { #expect(pair.map[address] == pair.copy[address]) }
    }
    #expect(Set(pairs.map(\.copy)).count > 1)
  }

  @Test("The root of each copy of a trie is that of a trie made of its values", arguments: 0..<4)
  func tries(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var pairs: [(trie: MerkleTrie<Word>, copy: [[UInt8]: Word])] = [(.init(), [:])]
    for _ in 0..<600 {
      let index = Int.random(in: pairs.indices, using: &random)
      // Short keys are beginnings of longer ones, so that values stand in branches as well.
      let key = [UInt8](
        Keccak256.hash([UInt8.random(in: 0..<40, using: &random)]).bytes
          .prefix([1, 2, 32].randomElement(using: &random) ?? 32))
      let value =
        Int.random(in: 0..<4, using: &random) == 0
        ? nil : Word(UInt64.random(in: 1...9, using: &random)) << 90
      if pairs.count < 5, Int.random(in: 0..<10, using: &random) == 0 { pairs.append(pairs[index]) }
      pairs[index].trie[key] = value
      pairs[index].copy[key] = value
      // A root that is computed in between is kept in the nodes.
      if Int.random(in: 0..<3, using: &random) == 0 { _ = pairs[index].trie.rootHash }
      guard Int.random(in: 0..<20, using: &random) == 0 else { continue }
      for pair in pairs {
        var fresh = MerkleTrie<Word>()
        for (key, value) in pair.copy.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
          // A copy for each value keeps every node from being changed in place.
          let earlier = fresh
          fresh[key] = value
          #expect(earlier[key] == nil)
        }
        #expect(pair.trie.rootHash == fresh.rootHash)
        for (key, value) in pair.copy { #expect(pair.trie[key] == value) }
      }
    }
  }

  private static let addresses = 60

  /// Addresses that agree in many of their last digits.
  private static func address(_ number: Int) -> Address {
    Address(truncating: Word(UInt64(number % 3)) | Word(UInt64(number / 3)) << 40)
  }

  private static func address(_ random: inout SeededGenerator) -> Address {
    address(Int.random(in: 0..<addresses, using: &random))
  }
}

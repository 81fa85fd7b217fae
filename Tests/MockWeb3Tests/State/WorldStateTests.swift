import AsyncPrimitives
import EVM
import EVMConformance
import EthereumPrimitives
import MockWeb3
import Testing

@Suite("The chain's state", .timeLimit(.minutes(5)))
struct WorldStateTests {
  @Test("Its root is that of a state in a map, whatever is written and deleted", arguments: 0..<8)
  func roots(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var state = WorldState()
    var map = MapState()
    for step in 0..<150 {
      var effects = StateEffects()
      for _ in 0..<Int.random(in: 1...4, using: &random) {
        let address = Address.precompile(UInt8.random(in: 100...112, using: &random))
        effects.accounts[address] = change(of: address, in: map, &random)
      }
      map.apply(effects)
      state.apply(effects)
      // Most roots are computed after several writes.
      if step.isMultiple(of: 3) { #expect(state.rootHash() == map.root, "step \(step)") }
      for (address, entry) in map.accounts {
        for (slot, value) in entry.storage {
          #expect(state.storage(at: address, slot: slot) == value)
        }
      }
    }
    #expect(state.rootHash() == map.root)
  }

  private func change(
    of address: Address, in map: MapState, _ random: inout SeededGenerator
  ) -> StateEffects.Change {
    if Int.random(in: 0..<6, using: &random) == 0 { return .deleted }
    let old = map.accounts[address]
    var account = AccountState(
      nonce: UInt64.random(in: 1...9, using: &random),
      balance: Word(UInt64.random(in: 0...5, using: &random)),
      codeHash: old?.account.codeHash ?? AccountState.emptyCodeHash)
    var code: Code?
    if old == nil, Bool.random(using: &random) {
      code = Code([UInt8.random(in: 0...9, using: &random)])
      account.codeHash = code?.hash ?? account.codeHash
    }
    var storage: [Word: Word] = [:]
    for _ in 0..<Int.random(in: 0...3, using: &random) {
      storage[Word(UInt64.random(in: 0...20, using: &random))] =
        Word(UInt64.random(in: 0...3, using: &random)) << 100
    }
    return .written(AccountWrite(account: account, code: code, storage: storage))
  }
}

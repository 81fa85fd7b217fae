// snippet: Documentation/EVM.md
import EVM
import EthereumPrimitives
import Testing

/// A state with one contract, whose code returns its input's first word plus one.
struct OneContract: StateReader {
  let address = Address.zero
  let code: [UInt8] = [
    0x60, 1, 0x60, 0, 0x35, 0x01,  // 1 + calldata[0]
    0x60, 0, 0x52, 0x60, 32, 0x60, 0, 0xf3,  // return the word
  ]

  func account(at address: Address) -> AccountState? {
    address == self.address ? AccountState(nonce: 1, codeHash: Keccak256.hash(code)) : nil
  }
  func code(at address: Address, hash: Hash32) -> [UInt8] { code }
  func storage(at address: Address, slot: Word) -> Word { .zero }
  func hasStorage(at address: Address) -> Bool { false }
  func blockHash(of number: UInt64) -> Hash32 { Keccak256.hash("\(number)") }
}

@Test("A contract adds one to what it is given")
func bytecode() {
  let state = OneContract()
  let machine = VirtualMachine(fork: .london)
  let outcome = machine.call(
    state.address, from: .zero, input: Array(repeating: 0, count: 31) + [41], gas: 100_000,
    on: state, in: BlockContext(chainID: 41_956))
  #expect(outcome.output == Array(repeating: 0, count: 31) + [42])
}
// end of snippet

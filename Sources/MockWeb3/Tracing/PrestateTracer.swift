import EVM
import EthereumPrimitives

/// Notes which accounts and slots a transaction names, to be listed as by go-ethereum's tracer.
final class PrestateTracer: Tracer {
  private(set) var accounts: Set<Address>
  private(set) var slots: [Address: Set<Word>] = [:]
  /// The contract that the transaction itself creates, or tries to.
  private(set) var created: Address?

  /// - Parameter coinbase: is listed even if it gets nothing.
  init(coinbase: Address) { accounts = [coinbase] }

  func enter(_ call: TraceCall) {
    let isCreation = call.kind == .create || call.kind == .create2
    if call.depth == 0 {
      accounts.formUnion([call.caller, call.address])
      if isCreation { created = call.address }
    } else if isCreation {
      accounts.insert(call.address)
    }
  }

  func step(_ step: TraceStep) {
    let stack = step.stack
    guard step.error == nil, let top = stack.last else { return }
    switch step.opcode {
    // SLOAD, SSTORE.
    case 0x54, 0x55: slots[step.address, default: []].insert(top)
    // BALANCE, EXTCODESIZE, EXTCODECOPY, EXTCODEHASH, SELFDESTRUCT.
    case 0x31, 0x3b, 0x3c, 0x3f, 0xff: accounts.insert(Address(truncating: top))
    // CALL, CALLCODE, DELEGATECALL, STATICCALL.
    case 0xf1, 0xf2, 0xf4, 0xfa: accounts.insert(Address(truncating: stack[stack.count - 2]))
    default: break
    }
  }
}

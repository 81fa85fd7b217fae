import EVM
import EthereumPrimitives
import PlumiseWire

/// Collects the accounts and slots that code accesses (go-ethereum's `AccessListTracer`).
final class AccessListTracer: Tracer {
  private let excluded: Set<Address>
  private let isPrecompile: (Address) -> Bool
  private var slots: [Address: Set<Word>] = [:]

  /// - Parameter excluded: accounts that are warm anyway, which are listed for their slots only.
  init(excluded: Set<Address>, isPrecompile: @escaping (Address) -> Bool) {
    self.excluded = excluded
    self.isPrecompile = isPrecompile
  }

  func step(_ step: TraceStep) {
    let stack = step.stack
    guard let top = stack.last else { return }
    switch step.opcode {
    // SLOAD, SSTORE.
    case 0x54, 0x55: slots[step.address, default: []].insert(top)
    // BALANCE, EXTCODESIZE, EXTCODECOPY, EXTCODEHASH, SELFDESTRUCT.
    case 0x31, 0x3b, 0x3c, 0x3f, 0xff: add(Address(truncating: top))
    // CALL, CALLCODE, DELEGATECALL, STATICCALL.
    case 0xf1, 0xf2, 0xf4, 0xfa:
      if stack.count >= 5 { add(Address(truncating: stack[stack.count - 2])) }
    default: break
    }
  }

  private func add(_ address: Address) {
    guard !excluded.contains(address), !isPrecompile(address) else { return }
    slots[address, default: []].formUnion([])
  }

  /// The list, by address and slot.
  var list: [AccessListEntry] {
    slots.sorted { $0.key.word < $1.key.word }.map { address, slots in
      AccessListEntry(address: address, storageKeys: slots.sorted().map { Hash32(word: $0) })
    }
  }
}

/// eth_createAccessList.
enum AccessListMethod {
  @Sendable static func answer(_ arguments: GethArguments) throws -> ChainOperation {
    let call = try CallArguments(arguments.required(0)).call()
    let reference = try arguments.optional(1)?.blockReference() ?? .tag(.pending)
    return { chain, now in
      try chain.accessList(of: call, on: chain.view(reference, now: now))
    }
  }
}

extension Chain {
  /// Runs a call with the list that its last run made, until the list stays the same.
  fileprivate func accessList(of original: CallRequest, on view: View) throws -> JSON {
    var call = original
    let gas = min(call.gas ?? EthCallMethods.callGasCap, EthCallMethods.callGasCap)
    let recipient =
      call.to ?? .ofContract(createdBy: call.from, nonce: view.state[call.from].nonce)
    // Code that depends on its gas might never come to the same list twice.
    var attempt = 0
    while true {
      attempt += 1
      let intrinsic = intrinsicGas(of: call)
      guard gas >= intrinsic else {
        throw RPCFailure.refused(
          "failed to apply transaction: err: intrinsic gas too low: have \(gas), want \(intrinsic)")
      }
      let machine = machine.virtualMachine
      let tracer = AccessListTracer(excluded: [call.from, recipient]) {
        machine.hasPrecompile(at: $0)
      }
      let outcome = run(call, on: view, gas: gas - intrinsic, tracer: tracer)
      let list = tracer.list
      guard list == call.accessList || attempt == 20 else {
        call.accessList = list
        continue
      }
      let spent = intrinsic + outcome.gasUsed
      var answer: JSONObject = ["accessList": .array(list.map(Self.json))]
      switch outcome.completion {
      case .returned: break
      case .reverted: answer["error"] = "execution reverted"
      case .failed(let failure): answer["error"] = .string("\(failure)")
      }
      answer["gasUsed"] = .quantity(spent - min(outcome.refund, spent / 5))
      return .object(answer)
    }
  }

  private static func json(_ entry: AccessListEntry) -> JSON {
    [
      "address": .address(entry.address),
      "storageKeys": .array(entry.storageKeys.map { .hash($0) }),
    ]
  }
}

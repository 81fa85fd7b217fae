import EVM
import EthereumPrimitives
import PlumiseWire

/// Collects the accounts and slots that code accesses (go-ethereum's `AccessListTracer`).
final class AccessListTracer: Tracer {
  private let excluded: Set<Address>
  private let isPrecompile: (Address) -> Bool
  private var slots: [Address: Set<Word>] = [:]

  /// - Parameters:
  ///   - list: what is listed from the start.
  ///   - excluded: accounts that are warm anyway, which are listed for their slots only.
  init(
    _ list: [AccessListEntry], excluded: Set<Address>,
    isPrecompile: @escaping (Address) -> Bool
  ) {
    self.excluded = excluded
    self.isPrecompile = isPrecompile
    for entry in list {
      add(entry.address)
      for key in entry.storageKeys { slots[entry.address, default: []].insert(key.word) }
    }
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
    let arguments = (
      call: try CallArguments(arguments.required(0)),
      block: try arguments.optional(1)?.blockReference() ?? .tag(.latest)
    )
    return { chain, now in
      let view = try chain.view(arguments.block, now: now)
      let transaction = try arguments.call.filled(on: chain, isEstimated: false)
      return try chain.accessList(
        of: transaction, from: arguments.call.from ?? .zero,
        startingWith: arguments.call.accessList ?? [], on: view)
    }
  }
}

extension Chain {
  /// Runs a transaction with the list that its last run made, until the list stays the same
  /// (go-ethereum's `AccessList`).
  fileprivate func accessList(
    of transaction: Transaction, from sender: Address, startingWith list: [AccessListEntry],
    on view: View
  ) throws -> JSON {
    let recipient =
      transaction.to ?? .ofContract(createdBy: sender, nonce: transaction.nonce)
    let machine = machine.virtualMachine
    func tracer(_ list: [AccessListEntry]) -> AccessListTracer {
      AccessListTracer(list, excluded: [sender, recipient]) { machine.hasPrecompile(at: $0) }
    }
    let gas = min(transaction.gasLimit, EthCallMethods.callGasCap)
    var list = tracer(list).list
    // Code that depends on its gas might never come to the same list twice.
    for attempt in 1... {
      let call = CallRequest(
        from: sender, to: transaction.to, gas: gas, feeCap: transaction.fee.maxFeePerGas,
        tip: transaction.fee.maxPriorityFeePerGas, value: transaction.value,
        input: transaction.data, accessList: list)
      let intrinsic = intrinsicGas(of: call)
      do {
        try checkPayment(of: call, gas: gas, on: view)
        guard gas >= intrinsic else {
          throw PreflightFailure("intrinsic gas too low: have \(gas), want \(intrinsic)")
        }
        try checkInitCode(of: call)
      } catch let error as PreflightFailure {
        let hash = Keccak256.hash(transaction.listing(list).unsignedBytes)
        throw RPCFailure.refused(
          "failed to apply transaction: \(hash.hex) err: \(error.reason)")
      }
      let tracer = tracer(list)
      let outcome = run(call, on: view, gas: gas - intrinsic, tracer: tracer)
      guard tracer.list == list || attempt == 20 else {
        list = tracer.list
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
    preconditionFailure("the last attempt has an answer")
  }

  private static func json(_ entry: AccessListEntry) -> JSON {
    [
      "address": .address(entry.address),
      "storageKeys": .array(entry.storageKeys.map { .hash($0) }),
    ]
  }
}

extension Transaction {
  /// The transaction with a list of what it accesses, which a legacy one cannot have.
  fileprivate func listing(_ list: [AccessListEntry]) -> Transaction {
    // Lists came after the transactions that name no chain.
    guard let chainID else { return self }
    let fee: Fee =
      switch fee {
      case .legacy(let price), .accessList(let price, _): .accessList(gasPrice: price, list)
      case .feeMarket(let tip, let maximum, _):
        .feeMarket(maxPriorityFeePerGas: tip, maxFeePerGas: maximum, list)
      }
    return Transaction(
      chainID: chainID, nonce: nonce, fee: fee, gasLimit: gasLimit, to: to, value: value,
      data: data)
  }
}

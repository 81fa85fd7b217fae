import EthereumPrimitives

/// A call that leaves no trace: what eth_call and eth_estimateGas run.
struct TracelessCall {
  var from: Address = .zero
  var to: Address
  var gas: UInt64?
  /// The most that a unit of gas may cost, in wei; zero when the caller does not pay.
  var feeCap: Word = .zero
  /// The tip for a unit of gas, in wei.
  var tip: Word = .zero
  var value: Word = .zero
  var input: [UInt8] = []
  var accessList: [AccessListEntry] = []
}

extension Chain {
  /// Which state a question is about.
  struct View {
    let state: WorldState
    let block: Block
  }

  /// The environment that a call sees on top of a block.
  private func environment(of view: View) -> BlockEnvironment {
    let header = view.block.header
    return BlockEnvironment(
      number: header.number, timestamp: header.timestamp, baseFee: header.baseFeePerGas,
      gasLimit: rules.blockGasLimit, coinbase: header.coinbase)
  }

  /// Runs a call on a view.
  func run(_ call: TracelessCall, on view: View, gas: UInt64) -> CallOutcome {
    var execution = Execution(state: view.state, block: environment(of: view), rules: rules)
    let message = Message(
      caller: call.from, recipient: call.to, value: call.value, input: call.input)
    return execution.call(message, gas: gas)
  }

  /// The gas that a transaction with this call would use when it goes through.
  func gasNeeded(by call: TracelessCall) -> UInt64 {
    let program = NativeProgram(at: call.to, rules: rules)
    return IntrinsicGas.of(data: call.input, accessList: call.accessList)
      .addingUpTo(program.map(rules.gasCost) ?? 0)
  }
}

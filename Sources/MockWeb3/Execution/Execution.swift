import EthereumPrimitives

/// What programs can see of the block they run in.
struct BlockEnvironment {
  let number: UInt64
  /// Seconds since 1970.
  let timestamp: UInt64
  /// Wei a unit of gas.
  let baseFee: Word
  let gasLimit: UInt64
  let coinbase: Address
}

/// A call in progress: the state it changes and the events it emits.
struct Execution {
  var state: WorldState
  var logs: [LogEntry] = []
  let block: BlockEnvironment
  let rules: ChainRules

  /// Transfers the value and runs the program, if there is one; undoes all of it on a revert.
  mutating func call(_ message: Message, gas: UInt64) -> CallOutcome {
    let (stateBefore, logsBefore) = (state, logs)
    let program = NativeProgram(at: message.recipient, rules: rules)
    if let program, rules.gasCost(of: program) > gas { return .outOfGas }
    do throws(Revert) {
      guard state.debit(message.value, from: message.caller) else {
        throw Revert("insufficient balance for transfer")
      }
      state.credit(message.value, to: message.recipient)
      guard let program else { return .returned([]) }
      return .returned(try program.run(message, in: &self))
    } catch {
      (state, logs) = (stateBefore, logsBefore)
      return .reverted(error)
    }
  }

  mutating func emit(_ log: LogEntry) { logs.append(log) }
}

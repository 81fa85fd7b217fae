import EthereumPrimitives

/// What tests change, with a note of it in the record.
extension Chain {
  /// Makes a change to the state.
  package mutating func edit(_ change: StateEdit.Change) {
    switch change {
    case .balance(let address, let balance): state[address].balance = balance
    case .credit(let address, let amount): state.credit(amount, to: address)
    case .nonce(let address, let nonce):
      state[address].nonce = nonce
      pool.dropStale(state: state)
    }
    record.append(StateEdit(height: latest.number, change: change))
  }

  /// Takes a transaction out of the pool.
  @discardableResult
  mutating func drop(_ hash: Hash32) -> SentTransaction? {
    guard let sent = pool.remove(hash) else { return nil }
    record.append(.dropped(hash))
    return sent
  }

  /// Becomes what it was before; a file that keeps the chain gets a step that says so.
  mutating func comeBack(as earlier: Chain) {
    let old = record
    self = earlier
    record.comeBack(after: old)
  }

  /// Begins anew as another chain: nothing goes wrong on it any more, connections included.
  ///
  /// A file that kept this chain is written anew.
  mutating func restart(as other: Chain) {
    let old = record
    self = other
    record.takeThePlace(of: old)
    faults.clear()
  }

  /// Clock and mining mode, as the record keeps them.
  var settings: ChainSettings {
    get {
      let milliseconds = mining.interval.map { interval in
        let (seconds, attoseconds) = min(interval, MiningMode.longestInterval).components
        return max(1, seconds * 1000 + attoseconds / 1_000_000_000_000_000)
      }
      return ChainSettings(
        clockOffset: clock.offset, nextTimestamp: clock.nextTimestamp, nextBaseFee: nextBaseFee,
        isAutomatic: mining.isAutomatic, intervalMilliseconds: milliseconds)
    }
    set {
      clock.offset = newValue.clockOffset
      clock.nextTimestamp = newValue.nextTimestamp
      nextBaseFee = newValue.nextBaseFee
      mining.isAutomatic = newValue.isAutomatic
      mining.interval = newValue.intervalMilliseconds.map { .milliseconds($0) }
      record.note(newValue)
    }
  }
}

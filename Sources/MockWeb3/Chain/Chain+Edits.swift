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

  /// Becomes another chain; a file that kept this one is written anew.
  mutating func replace(with other: Chain) {
    let old = record
    self = other
    record.takeThePlace(of: old)
  }

  /// Begins anew as another chain: nothing goes wrong on it any more, connections included.
  mutating func restart(as other: Chain) {
    replace(with: other)
    faults.clear()
  }

  /// Clock and mining mode, as the record keeps them.
  var settings: ChainSettings {
    get {
      let milliseconds = mining.interval.map { interval in
        let (seconds, attoseconds) = interval.components
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
      }
      return ChainSettings(
        clockOffset: clock.offset, nextTimestamp: clock.nextTimestamp,
        isAutomatic: mining.isAutomatic, intervalMilliseconds: milliseconds)
    }
    set {
      clock.offset = newValue.clockOffset
      clock.nextTimestamp = newValue.nextTimestamp
      mining.isAutomatic = newValue.isAutomatic
      mining.interval = newValue.intervalMilliseconds.map { .milliseconds($0) }
      record.note(newValue)
    }
  }
}

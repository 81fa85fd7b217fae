import EthereumPrimitives

/// What tests change, with a note of it in the record.
extension Chain {
  mutating func setBalance(of address: Address, to balance: Word) {
    state[address].balance = balance
    record.append(.balance(address, balance))
  }

  mutating func credit(_ amount: Word, to address: Address) {
    setBalance(of: address, to: state[address].balance.adding(amount, upTo: .max))
  }

  mutating func setNonce(of address: Address, to nonce: UInt64) {
    state[address].nonce = nonce
    pool.dropStale(state: state)
    record.append(.nonce(address, nonce))
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
    let lineage = record.lineage
    self = other
    record.startLineage(after: lineage)
  }

  /// Clock and mining mode, as the record keeps them.
  var settings: ChainSettings {
    get {
      let milliseconds = mining.interval.map { interval in
        let (seconds, attoseconds) = interval.components
        return seconds * 1000 + attoseconds / 1_000_000_000_000_000
      }
      return ChainSettings(
        clockOffset: clock.offset, isAutomatic: mining.isAutomatic,
        intervalMilliseconds: milliseconds)
    }
    set {
      clock.offset = newValue.clockOffset
      mining.isAutomatic = newValue.isAutomatic
      mining.interval = newValue.intervalMilliseconds.map { .milliseconds($0) }
      record.note(newValue)
    }
  }
}

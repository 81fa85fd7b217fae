import Synchronization

extension MockWeb3 {
  /// Has a closure called with each block that is made from here on, and with why transactions in it
  /// failed, by their positions.
  ///
  /// A block that takes another's place is a new one. The closure is called in the order of the blocks,
  /// while the chain is locked: it must neither block nor use the chain.
  public func observeBlocks(
    _ observe: @escaping @Sendable (_ block: Block, _ failures: [Int: String]) -> Void
  ) {
    blockObservers.withLock { $0.append(observe) }
    change { $0.news.isWanted = true }
  }

  /// Tells the observers of blocks of news.
  func tellBlockObservers(of news: [ChainNews], _ chain: Chain) {
    guard !news.isEmpty else { return }
    let observers = blockObservers.withLock { $0 }
    guard !observers.isEmpty else { return }
    for case .block(let block) in news {
      let failed = block.receipts.indices.filter { !block.receipts[$0].succeeded }
      let failures = Dictionary(
        uniqueKeysWithValues: failed.map { ($0, chain.failure(at: $0, of: block)) })
      for observe in observers { observe(block, failures) }
    }
  }
}

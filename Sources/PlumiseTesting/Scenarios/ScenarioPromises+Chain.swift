import EthereumPrimitives
import PlumiseWire

/// What is promised about the chain.
extension ScenarioPromises {
  /// An agent uses each nonce for one call.
  ///
  /// The oracle's account is not meant: what it signed and could not send keeps its nonce, which another
  /// call may have taken when it is sent at last; then it is signed anew.
  struct NoncesUsedOnce: ScenarioPromise {
    private struct Place: Hashable {
      let sender: Address
      let nonce: UInt64
    }

    private struct Use {
      let call: Hash32
      /// The life of the agent's node.
      let life: Int
    }

    var name: String { "an agent uses every nonce for one call" }

    func violations(in history: History) -> [String] {
      var uses: [Place: Use] = [:]
      var known: Set<Hash32> = []
      var lives: [Int: Int] = [:]
      // The nonce that a node's agent took from the chain when its life began.
      var first: [Int: UInt64] = [:]
      var violations: [String] = []
      for event in history.events {
        if case .lifeBegan(let node, let life) = event {
          lives[node] = life
          first[node] = nil
        }
        guard case .transaction(let sent) = event, let node = sent.node else { continue }
        let place = Place(sender: sent.sender, nonce: sent.nonce)
        let life = lives[node] ?? 0
        // What was signed before is sent again: a chain that forgot it may count otherwise by now.
        let isNew = known.insert(sent.hash).inserted
        if first[node] == nil { first[node] = sent.nonce }
        guard let refusal = sent.refusal else {
          uses[place] = Use(call: sent.call, life: life)
          continue
        }
        // A version with higher fees, or one that was sent again, is the same call.
        let isConflict = refusal.hasPrefix("nonce too low") || refusal.hasPrefix("replacement")
        guard isNew, isConflict, let use = uses[place], use.call != sent.call else { continue }
        // A chain counts nothing that an earlier life sent behind a transaction which was lost: a new life
        // meets it when it comes to its nonce.
        if use.life == life || sent.nonce == first[node] {
          violations.append(
            "\(sent.sender) used nonce \(sent.nonce) for another call: \(refusal)")
        }
      }
      return violations
    }
  }

  /// A receipt is of a block on the chain when it is given, and one that an agent took for final still is
  /// in the end.
  struct ReceiptsOnChain: ScenarioPromise {
    var name: String { "confirmed transactions stay on the chain" }

    func violations(in history: History) -> [String] {
      history.events.compactMap { event in
        switch event {
        case .receipt(let hash, let block, isOnChain: false):
          "the receipt of \(hash) was of a block \(block) that is not on the chain"
        case .final(let confirmed, isOnChain: false):
          "\(confirmed.transaction) was taken for final in block \(confirmed.block) "
            + "\(confirmed.blockHash), which is not on the chain"
        default: nil
        }
      }
    }
  }

  /// An agent whose node runs is registered, and its last heartbeat is not older than two intervals.
  struct AgentsStayActive: ScenarioPromise {
    var name: String { "agents stay active" }

    func violations(in history: History) -> [String] {
      history.events.compactMap { event in
        guard case .registration(let node, let since) = event else { return nil }
        guard let since else { return "node \(node) is not registered in the end" }
        return since > 240 ? "the last heartbeat of node \(node) is \(since) s old" : nil
      }
    }
  }

  /// The oracle takes reports of registered agents alone, and the chain has the contributions that the
  /// oracle says it reported.
  struct OracleAndChainAgree: ScenarioPromise {
    var name: String { "oracle and chain agree" }

    func violations(in history: History) -> [String] {
      var reporting: Set<Int> = []
      return history.events.compactMap { event in
        switch event {
        case .oracleTotals(let node, _, let reports, _):
          if reports > 0 { reporting.insert(node) }
          return nil
        case .registration(let node, nil) where reporting.contains(node):
          return "the oracle has reports of node \(node), which the chain has not"
        case .contribution(let node, let reported, let onChain) where reported != onChain:
          return "the oracle reported \(reported) tasks of node \(node), the chain has \(onChain)"
        default: return nil
        }
      }
    }
  }

  /// Rewards are paid once, and cost nobody else anything.
  struct RewardsPaidOnce: ScenarioPromise {
    var name: String { "rewards are paid once" }

    func violations(in history: History) -> [String] {
      history.events.compactMap { event in
        switch event {
        case .rewards(let distributed, let claimed, let pending)
        where distributed != claimed + pending:
          "\(distributed) wei were shared out, \(claimed) claimed and \(pending) are pending"
        case .coins(let node, let coins)
        where coins.balance + coins.spent != coins.first + coins.claimed:
          "node \(node) had \(coins.first) wei, spent \(coins.spent), was paid \(coins.claimed) "
            + "and has \(coins.balance)"
        default: nil
        }
      }
    }
  }

  /// All coins are where they were, or made by a block, or burnt as a base fee.
  struct CoinsAddUp: ScenarioPromise {
    var name: String { "coins add up" }

    func violations(in history: History) -> [String] {
      history.events.compactMap { event in
        guard case .supply(let first, let made, let burnt, let held) = event,
          held + burnt != first + made
        else { return nil }
        return "\(first) wei and \(made) made, less \(burnt) burnt, are not \(held)"
      }
    }
  }
}

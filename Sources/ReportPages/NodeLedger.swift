package import JSONValues

/// What each node of a network served, reported, had acknowledged and was paid for, and whether that balances.
///
/// Tokens are counted since the network's beginning, over all starts of a node. They balance where what a
/// node served is what the oracle told it to have accepted, and that what the oracle has; where the chain
/// was told of contributions, they must not be more than the oracle has, and nobody is paid without one.
package struct NodeLedger: Sendable {
  /// An account of one node.
  package struct Account: Sendable, Hashable {
    /// The node's name.
    package var node: String
    /// Its agent's address.
    package var agent: String?
    /// Tokens that it counted in sessions that its clients finished.
    package var served = 0
    /// Tokens of the last report that it knows to be accepted.
    package var reported = 0
    /// Tokens of the last report that the oracle accepted.
    package var acknowledged = 0
    /// Tokens that the chain was told of, by contributions that went through.
    package var contributed = 0
    /// Rewards that were paid, in wei.
    package var paid = "0"
    /// Rewards that can be claimed, in wei.
    package var pending = "0"
    /// Why reports of it did not arrive or were not accepted, the latest last.
    package var troubles: [String] = []

    /// An account without entries.
    package init(node: String, agent: String? = nil) {
      self.node = node
      self.agent = agent
    }
  }

  /// Two columns of an account that differ.
  package struct Gap: Sendable, Hashable {
    /// Which ones.
    package let between: String
    /// How many tokens there are more in the first one; 0 for a gap that is not of tokens.
    package let tokens: Int
    /// Why, as far as is known.
    package let reason: String

    /// The gap in a line.
    package var text: String {
      tokens == 0 ? "\(between): \(reason)" : "\(between): \(tokens) tokens; \(reason)"
    }
  }

  /// The nodes' accounts, in the order of the nodes.
  package let accounts: [Account]

  /// A ledger of accounts.
  package init(_ accounts: [Account]) { self.accounts = accounts }

  /// Whether every account balances.
  package var isBalanced: Bool { accounts.allSatisfy { gaps(of: $0).isEmpty } }

  /// Where an account does not balance.
  package func gaps(of account: Account) -> [Gap] {
    var gaps: [Gap] = []
    let last = account.troubles.last
    if account.served != account.reported {
      gaps.append(
        Gap(
          between: "served and reported", tokens: account.served - account.reported,
          reason: last
            ?? (account.served > account.reported
              ? "no later report was accepted" : "more was reported than clients finished")))
    }
    if account.reported != account.acknowledged {
      gaps.append(
        Gap(
          between: "reported and acknowledged", tokens: account.reported - account.acknowledged,
          reason: account.reported < account.acknowledged
            ? "the oracle accepted a report whose answer the node did not get"
              + (last.map { ": \($0)" } ?? "")
            : last ?? "the oracle has not accepted a report that the node takes for accepted"))
    }
    if account.contributed > account.acknowledged {
      gaps.append(
        Gap(
          between: "contributed and acknowledged",
          tokens: account.contributed - account.acknowledged,
          reason: "the chain was told of more than the oracle accepted"))
    }
    if account.contributed == 0, account.paid != "0" || account.pending != "0" {
      gaps.append(
        Gap(
          between: "contributed and paid", tokens: 0,
          reason: "\(account.paid) wei were paid and \(account.pending) wei are pending without "
            + "a contribution"))
    }
    return gaps
  }

  /// As it stands in `report.json`.
  package var json: JSON {
    [
      "balanced": .bool(isBalanced),
      "nodes": .array(
        accounts.map { account in
          let gaps = gaps(of: account)
          return [
            "node": .string(account.node), "agent": account.agent.map { .string($0) } ?? .null,
            "served": .integer(account.served), "reported": .integer(account.reported),
            "acknowledged": .integer(account.acknowledged),
            "contributed": .integer(account.contributed), "paid_wei": .string(account.paid),
            "pending_wei": .string(account.pending), "balanced": .bool(gaps.isEmpty),
            "gaps": .array(
              gaps.map { gap in
                [
                  "between": .string(gap.between), "tokens": .integer(gap.tokens),
                  "reason": .string(gap.reason),
                ]
              }),
          ]
        }),
    ]
  }

  /// The ledger as a part of a page; nothing without accounts.
  package var section: HTML {
    if accounts.isEmpty { return "" }
    let rows = accounts.map { account -> HTML in
      let numbers = [
        ("served", "\(account.served)"), ("reported", "\(account.reported)"),
        ("acknowledged", "\(account.acknowledged)"), ("contributed", "\(account.contributed)"),
        ("paid", account.paid), ("pending", account.pending),
      ]
      let gaps = gaps(of: account)
      let judgement = gaps.isEmpty ? "✓" : "✗ " + gaps.map(\.text).joined(separator: "; ")
      return """
        <tr data-account="\(account.node)"><td>\(account.node)</td>\
        \(numbers.map { name, value -> HTML in
          "<td class=\"number\" data-column=\"\(name)\">\(value)</td>" })\
        <td class="\(gaps.isEmpty ? "good" : "bad")">\(judgement)</td></tr>
        """
    }
    let heads = [
      "node", "served", "reported", "acknowledged", "contributed", "paid, wei", "pending, wei",
      "balances",
    ]
    return HTML.section(
      "Ledger",
      """
      <p class="\(isBalanced ? "good" : "bad")" data-balanced="\(isBalanced)">\
      \(isBalanced ? "Every account balances." : "Not every account balances.")</p>
      <p class="quiet">Tokens that each node counted, that it knows to be reported, that the oracle has, \
      and that the chain was told of; rewards of the chain.\(note)</p>
      <table>\(HTML.head(heads))<tbody>\(rows)</tbody></table>
      """)
  }

  /// Why nothing is paid, where nothing is.
  private var note: String {
    accounts.contains { $0.contributed > 0 }
      ? "" : " Nobody told the chain of contributions: there is nothing to pay."
  }
}

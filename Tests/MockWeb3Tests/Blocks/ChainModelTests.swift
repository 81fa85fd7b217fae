import AsyncPrimitives
import EthereumClient
import EthereumPrimitives
import MockWeb3
import TestSupport
import Testing

/// What the chain should be like, kept by the simplest means.
private struct ChainModel {
  struct Transfer: Hashable {
    let sender: Int
    let nonce: UInt64
    let recipient: Int
    let value: Word
  }

  struct Accounts: Hashable {
    var balances: [Word]
    var nonces: [UInt64]
  }

  static let gasPrice: Word = 2_000_000_000
  static let fee = gasPrice * 21_000

  /// What the test gave an account, on top of a block.
  struct Edit: Hashable {
    var height: Int
    let account: Int
    let balance: Word
    /// Whether it was added, or took the balance's place.
    let isCredit: Bool
  }

  var accounts: Accounts
  var edits: [Edit] = []
  var waiting: Set<Transfer> = []
  /// Each block's transfers, and the accounts after it.
  var blocks: [(transfers: [Transfer], after: Accounts)]
  var isAutomatic = true

  init(count: Int, balance: Word) {
    accounts = Accounts(
      balances: Array(repeating: balance, count: count), nonces: Array(repeating: 0, count: count))
    blocks = [([], accounts)]
  }

  /// The next nonce of an account, waiting transfers without a gap counted in.
  func nextNonce(_ sender: Int) -> UInt64 {
    var nonce = accounts.nonces[sender]
    while waiting.contains(where: { $0.sender == sender && $0.nonce == nonce }) { nonce += 1 }
    return nonce
  }

  func isTaken(_ nonce: UInt64, of sender: Int) -> Bool {
    waiting.contains { $0.sender == sender && $0.nonce == nonce }
  }

  mutating func send(_ transfer: Transfer) {
    waiting.insert(transfer)
    if isAutomatic && !ready.isEmpty { mine() }
  }

  private var ready: [Transfer] {
    waiting.filter { $0.nonce < nextNonce($0.sender) }
  }

  mutating func mine() {
    let transfers = ready.sorted { ($0.sender, $0.nonce) < ($1.sender, $1.nonce) }
    for transfer in transfers {
      accounts.balances[transfer.sender] -= transfer.value + Self.fee
      accounts.balances[transfer.recipient] += transfer.value
      accounts.nonces[transfer.sender] += 1
    }
    waiting.subtract(transfers)
    blocks.append((transfers, accounts))
  }

  mutating func edit(_ account: Int, _ balance: Word, isCredit: Bool) {
    edits.append(
      Edit(height: blocks.count - 1, account: account, balance: balance, isCredit: isCredit))
    apply(edits[edits.count - 1])
  }

  private mutating func apply(_ edit: Edit) {
    let before: Word = edit.isCredit ? accounts.balances[edit.account] : .zero
    accounts.balances[edit.account] = before + edit.balance
  }

  mutating func reorganise(_ depth: Int) -> Bool {
    guard depth < blocks.count else { return false }
    for block in blocks.suffix(depth) { waiting.formUnion(block.transfers) }
    blocks.removeLast(depth)
    accounts = blocks[blocks.count - 1].after
    for index in edits.indices where edits[index].height >= blocks.count - 1 {
      edits[index].height = blocks.count - 1
      apply(edits[index])
    }
    for _ in 0..<depth { blocks.append(([], accounts)) }
    return true
  }
}

@Suite("Chain and model", .timeLimit(.minutes(5)))
struct ChainModelTests {
  private static let accounts = 4

  // An unoptimised build takes ten times as long for each step.
  #if DEBUG
    private static let steps = 2_000
  #else
    private static let steps = 10_000
  #endif

  @Test("Random steps leave the chain as a simple model says", arguments: [1, 2] as [UInt64])
  func randomSteps(seed: UInt64) async throws {
    var generator = SeededGenerator(seed: seed)
    let network = TestChain()
    var model = ChainModel(count: Self.accounts, balance: DevelopmentAccount.defaultBalance)
    var snapshots: [(id: UInt64, model: ChainModel)] = []
    for step in 0..<(Self.steps / 2) {
      let what = try await take(&generator, network, &model, &snapshots)
      #expect(network.chain.blockNumber == UInt64(model.blocks.count - 1))
      #expect(network.chain.waitingTransactionCount == model.waiting.count)
      for index in 0..<Self.accounts {
        let address = network.account(index).address
        #expect(network.chain.balance(of: address) == model.accounts.balances[index])
        #expect(network.chain.nonce(of: address) == model.accounts.nonces[index])
      }
      // One difference makes all later steps differ: the first is the one to look at.
      try #require(
        summary(network) == summary(model), "seed \(seed), step \(step): \(what)")
    }
  }

  private func summary(_ network: TestChain) -> [Word] {
    (0..<Self.accounts).map { network.chain.balance(of: network.account($0).address) }
  }

  private func summary(_ model: ChainModel) -> [Word] { model.accounts.balances }

  /// Takes one step on both sides.
  private func take(
    _ generator: inout SeededGenerator, _ network: TestChain, _ model: inout ChainModel,
    _ snapshots: inout [(id: UInt64, model: ChainModel)]
  ) async throws -> String {
    let chain = network.chain
    switch Int.random(in: 0..<100, using: &generator) {
    case 0..<60: return try await transfer(&generator, network, &model)
    case 60..<75:
      chain.mine()
      model.mine()
      return "mine"
    case 75..<82:
      model.isAutomatic.toggle()
      chain.setMining(model.isAutomatic ? .automatic : .manual)
      return "automatic mining: \(model.isAutomatic)"
    case 82..<88:
      snapshots.append((chain.snapshot(), model))
      return "snapshot"
    case 88..<92:
      guard let index = snapshots.indices.randomElement(using: &generator) else { return "none" }
      #expect(chain.revert(to: snapshots[index].id))
      model = snapshots[index].model
      snapshots.removeSubrange((index + 1)...)
      return "revert"
    case 92..<96:
      let depth = Int.random(in: 1...3, using: &generator)
      #expect(chain.reorganise(depth: depth) == model.reorganise(depth))
      return "reorganise \(depth)"
    default:
      let index = Int.random(in: 0..<Self.accounts, using: &generator)
      let coins = Word(UInt64.random(in: 1000...9999, using: &generator))
      let balance = coins * 1_000_000_000_000_000_000
      let isCredit = Bool.random(using: &generator)
      let address = network.account(index).address
      if isCredit {
        chain.fund(address, balance)
      } else {
        chain.setBalance(of: address, to: balance)
      }
      model.edit(index, balance, isCredit: isCredit)
      return isCredit ? "fund" : "set balance"
    }
  }

  private func transfer(
    _ generator: inout SeededGenerator, _ network: TestChain, _ model: inout ChainModel
  ) async throws -> String {
    let sender = Int.random(in: 0..<Self.accounts, using: &generator)
    let gap: UInt64 = Int.random(in: 0..<6, using: &generator) == 0 ? 1 : 0
    let transfer = ChainModel.Transfer(
      sender: sender, nonce: model.nextNonce(sender) + gap,
      recipient: Int.random(in: 0..<Self.accounts, using: &generator),
      value: Word(UInt64.random(in: 0...1_000_000_000_000_000, using: &generator)))
    guard !model.isTaken(transfer.nonce, of: sender) else { return "nonce is taken" }
    try await network.client.send(
      network.transaction(
        from: network.account(sender), nonce: transfer.nonce,
        fee: .legacy(gasPrice: ChainModel.gasPrice), gas: 21_000,
        to: network.account(transfer.recipient).address, value: transfer.value))
    model.send(transfer)
    return "\(transfer)"
  }
}

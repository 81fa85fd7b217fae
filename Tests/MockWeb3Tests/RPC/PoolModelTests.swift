import AsyncPrimitives
import EthereumClient
import EthereumPrimitives
import JSONValues
import MockWeb3
import TestSupport
import Testing

/// What waits of one sender, as a plain table.
private struct WaitingModel {
  struct Entry {
    let hash: Hash32
    let cost: Word
    let price: Word
  }

  var waiting: [UInt64: Entry] = [:]
  var nonce: UInt64 = 0
  var balance: Word

  /// The nonces that could be mined now.
  var ready: [UInt64] {
    Array((nonce...).prefix { waiting[$0] != nil })
  }

  /// Whether the pool takes a transaction in.
  func accepts(_ nonce: UInt64, cost: Word) -> Bool {
    guard nonce >= self.nonce, cost <= balance else { return false }
    var costs = ready.reduce(into: [:]) { $0[$1] = waiting[$1]?.cost ?? .zero }
    if costs[nonce] != nil {
      costs[nonce] = cost
      return costs.values.reduce(.zero, +) <= balance
    }
    return costs.values.reduce(cost, +) <= balance
  }
}

@Suite("The transactions of a sender that wait", .timeLimit(.minutes(5)))
struct PoolModelTests {
  @Test(
    "They are those of a plain table, whatever is sent, replaced, dropped and mined",
    arguments: 0..<12)
  func model(seed: UInt64) async throws {
    var random = SeededGenerator(seed: seed)
    let network = TestChain()
    network.chain.setMining(.manual)
    let (sender, gas) = (network.account(0), 21_000 as UInt64)
    var model = WaitingModel(balance: network.chain.balance(of: sender.address))
    for step in 0..<150 {
      switch Int.random(in: 0..<10, using: &random) {
      case 0..<7:
        let nonce = model.nonce + UInt64.random(in: 0..<8, using: &random)
        let price = model.waiting[nonce].map { $0.price * 2 } ?? 2_000_000_000
        // Below what gas may cost in all.
        guard price < 40_000_000_000_000 else { continue }
        // Some do not fit beside the others.
        let value = model.balance / Word(UInt64.random(in: 2...12, using: &random))
        let transaction = network.transaction(
          from: sender, nonce: nonce, fee: .legacy(gasPrice: price), gas: gas,
          to: network.account(1).address, value: value)
        let cost = value + price * Word(gas)
        let failure = try await network.failure(
          "eth_sendRawTransaction", .string(Hex.encode(transaction.raw)))
        #expect((failure == nil) == model.accepts(nonce, cost: cost), "seed \(seed), step \(step)")
        if failure == nil {
          model.waiting[nonce] = .init(hash: transaction.hash, cost: cost, price: price)
        }
      case 7, 8:
        guard let nonce = model.waiting.keys.sorted().randomElement(using: &random),
          let dropped = model.waiting.removeValue(forKey: nonce)
        else { continue }
        _ = try await network.client.request("anvil_dropTransaction", [.string(dropped.hash.hex)])
      default:
        network.chain.mine()
        // What came ready behind a gap may cost more than is left then.
        while let entry = model.waiting[model.nonce], entry.cost <= model.balance {
          model.waiting[model.nonce] = nil
          model.nonce += 1
          model.balance = model.balance - entry.cost
        }
        #expect(network.chain.balance(of: sender.address) == model.balance)
        model.waiting = model.waiting.filter { $0.value.cost <= model.balance }
      }
      let status = try await network.client.request("txpool_status")
      let pending = UInt64(model.ready.count)
      let queued = UInt64(model.waiting.count) - pending
      #expect(
        status == [
          "pending": .string(Quantity.encode(pending)), "queued": .string(Quantity.encode(queued)),
        ],
        "seed \(seed), step \(step)")
      let next = try await network.client.request(
        "eth_getTransactionCount", [.string(sender.address.checksummed), "pending"])
      #expect(next == .string(Quantity.encode(model.nonce + pending)), "seed \(seed), step \(step)")
    }
  }
}

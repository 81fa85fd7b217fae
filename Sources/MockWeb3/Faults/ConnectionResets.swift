import EthereumPrimitives
import MockServing
import PlumiseWire
import Synchronization

extension FaultScript {
  /// Brings the script up to what the chain's faults say about connections.
  func apply(_ change: ChainFaults.ConnectionChange, seed: UInt64) {
    if change.clears { clear() }
    for rule in change.added {
      guard case .reset(let afterHandling) = rule.fault else { continue }
      let draws = FaultDraws(seed: seed)
      add(
        .drop(afterHandling ? .beforeAnswer : .beforeHandling, .reset), times: rule.count
      ) { request in
        rule.isMeant(for: request.body) && draws.happens(rule.probability)
      }
    }
  }
}

/// The draws of one rule, one after the other.
private final class FaultDraws: Sendable {
  private let seed: UInt64
  private let count = Mutex(0 as UInt64)

  init(seed: UInt64) { self.seed = seed }

  func happens(_ probability: Double) -> Bool {
    let occasion = count.withLock { count in
      count += 1
      return count
    }
    return FaultDraw.happens(probability, seed: seed, rule: .max, occasion: occasion)
  }
}

extension ChainFaultRule {
  /// Whether one of the requests in a body is of the method and the sender.
  fileprivate func isMeant(for body: [UInt8]) -> Bool {
    if method == nil, sender == nil { return true }
    let elements =
      switch RPCIncoming(body) {
      case .single(let element): [element]
      case .batch(let elements): elements
      }
    return elements.contains { element in
      guard case .request(let request) = element else { return false }
      return (method == nil || method == request.method)
        && (sender == nil || sender == request.sender)
    }
  }
}

extension RPCRequest {
  /// Who signed the transaction that the request brings, if it brings one.
  var sender: Address? {
    guard method == "eth_sendRawTransaction" else { return nil }
    // What cannot be decoded has no sender; the method itself says what is wrong with it.
    return try? IncomingTransaction(raw: RPCArguments(params).required(0).bytes()).sender
  }
}

import EthereumPrimitives
public import MockServing
import PlumiseWire
import Synchronization

extension MockWeb3 {
  /// What decides about faults with a probability.
  public var faultSeed: UInt64 { read { $0.faults.seed } }

  /// The chain's faults for programs: what `plumise_setFaults` takes as one of its rules is an order here.
  ///
  /// The id of a fault of connections begins with `connection-`.
  public var faultAdministration: FaultAdministration {
    FaultAdministration(
      list: { ["faults": .array(self.remainingFaults)] },
      add: { try self.add($0) },
      remove: { id in
        if let number = UInt64(id) { return self.change { $0.faults.remove(number) } }
        guard id.hasPrefix(Self.connectionPrefix),
          let number = Int(id.dropFirst(Self.connectionPrefix.count))
        else { return false }
        return self.connectionFaults.remove(number)
      },
      clear: {
        self.clearFaults()
        self.connectionFaults.clear()
      },
      observeUse: { tell in
        self.observeFaults { if case .usedUp(let id) = $0 { tell(id) } }
      })
  }

  /// Has a closure called with each change of the chain's faults from here on, those of connections included.
  ///
  /// It may be called while the chain is locked: it must neither block nor use the chain.
  package func observeFaults(_ tell: @escaping @Sendable (FaultAdministration.Change) -> Void) {
    faultObservers.withLock { $0.append(tell) }
    change { $0.faults.isObserved = true }
    connectionFaults.observe { change in
      switch change {
      case .ordered(let id, let order):
        tell(.ordered(id: .string(Self.connectionPrefix + id.text), order: order))
      case .takenBack(let id): tell(.takenBack(id: Self.connectionPrefix + id))
      case .usedUp(let id): tell(.usedUp(id: Self.connectionPrefix + id))
      // The chain says so itself.
      case .cleared: break
      }
    }
  }

  /// Tells the observers of faults of changes.
  func tellFaultObservers(of changes: [FaultAdministration.Change]) {
    if changes.isEmpty { return }
    let observers = faultObservers.withLock { $0 }
    for change in changes { for tell in observers { tell(change) } }
  }

  private static let connectionPrefix = "connection-"

  private func add(_ order: JSON) throws -> JSON {
    do {
      let rule = try ChainFaultRule(GethValue(json: order, position: 0))
      if let id = change({ $0.faults.addNumbered(rule) }) { return .integer(Int(id)) }
      // It was added to the script as the change was made.
      let id = connectionFaults.remaining.last?.id ?? 0
      return .string("\(Self.connectionPrefix)\(id)")
    } catch let failure as RPCFailure {
      // The position of an argument means nothing to whoever sends a body.
      let prefix = "invalid argument 0: "
      let message = failure.message
      throw FaultOrderProblem(
        description: message.hasPrefix(prefix) ? String(message.dropFirst(prefix.count)) : message)
    }
  }

  /// Why an order is refused.
  private struct FaultOrderProblem: Error, CustomStringConvertible {
    let description: String
  }

  private var remainingFaults: [JSON] {
    read { $0.faults.remaining }.map { id, rule in
      listing(.integer(Int(id)), rule.order, rule.schedule)
    }
      + connectionFaults.remainingRules.map { id, rule, schedule in
        listing(.string("\(Self.connectionPrefix)\(id)"), rule.order ?? [:], schedule)
      }
  }

  private func listing(_ id: JSON, _ order: JSONObject, _ schedule: FaultSchedule) -> JSON {
    var object: JSONObject = ["id": id]
    for member in order.members + schedule.json.members { object[member.key] = member.value }
    return .object(object)
  }
}

extension ChainFaultRule {
  /// What orders the fault, with its schedule.
  var listing: JSONObject {
    var object = order
    for member in schedule.json.members { object[member.key] = member.value }
    return object
  }
}

extension ChainFaultRule {
  /// What orders the fault, but for its schedule.
  var order: JSONObject {
    var object = fault.order
    if let method { object["method"] = .string(method) }
    if let sender { object["sender"] = .string(sender.checksummed) }
    return object
  }
}

extension ChainFault {
  fileprivate var order: JSONObject {
    switch self {
    case .revert(let reason): ["fault": "revert", "reason": .string(reason)]
    case .drop: ["fault": "drop"]
    case .withholdReceipt(let blocks):
      ["fault": "withholdReceipt", "blocks": .integer(Int(clamping: blocks))]
    case .loseReceipt: ["fault": "loseReceipt"]
    case .reorganise(let depth): ["fault": "reorganise", "depth": .integer(depth)]
    case .stall: ["fault": "stall"]
    case .refuse(let failure):
      ["fault": "error", "code": .integer(failure.code), "message": .string(failure.message)]
    case .delay(let delay):
      ["fault": "delay", "milliseconds": .integer(Int(delay / .milliseconds(1)))]
    case .reset(let afterHandling):
      ["fault": "reset", "afterHandling": .bool(afterHandling)]
    }
  }
}

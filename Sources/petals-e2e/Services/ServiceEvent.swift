import ArgumentParser
import ChainAgent
import EthereumClient
import EthereumPrimitives
import PlumiseWire

/// An event that a running service prints: a line of text, or with `--json` one object a line.
enum ServiceEvent: Hashable, Sendable {
  /// A listening interface; a node has gRPC for its peers and HTTP for its users, and any service may have
  /// a second port for orders of faults.
  enum Service: String, Sendable {
    case chain
    case chainAdministration = "chain-admin"
    case oracle
    case oracleAdministration = "oracle-admin"
    case node
    case nodeHTTP = "node-http"
    case nodeAdministration = "node-admin"
    case gateway
    case swarm
    case gatewayAdministration = "gateway-admin"
    case page
  }

  /// The service answers at this URL.
  case listening(Service, url: String)
  /// The node's agent is registered on chain; nil when it was before.
  case registered(agent: String, transaction: String?)
  /// A heartbeat was mined.
  case heartbeat(transaction: String)
  /// An inference proof was verified on chain.
  case verified(proof: String, tokens: Int64, transaction: String)
  /// The oracle accepted a report of so many tokens since the start; the last one comes on stop.
  case reported(tokens: Int64, isLast: Bool)
  /// The oracle's pipeline gave the node these layers of so many.
  case assigned(blocks: String, of: Int)
  /// The node serves these blocks, which its swarm served worst, of so many.
  case placed(blocks: String, of: Int)
  /// The node leaves its blocks for others that its swarm needs more, and why.
  case moving(from: String, to: String, reason: String)
  /// The topology of the node's pipeline has changed: how many nodes it lists, the node's place in it
  /// (nil when it is not listed) and the gRPC URL of the next node (nil behind the last).
  case topology(nodes: Int, order: Int?, next: String?)
  /// Something went wrong, and the service goes on.
  case trouble(String)

  var json: JSON {
    switch self {
    case .listening(let service, let url):
      ["event": "listening", "service": .string(service.rawValue), "url": .string(url)]
    case .registered(let agent, let transaction):
      [
        "event": "registered", "agent": .string(agent),
        "transaction": transaction.map(JSON.string) ?? .null,
      ]
    case .heartbeat(let transaction):
      ["event": "heartbeat", "transaction": .string(transaction)]
    case .verified(let proof, let tokens, let transaction):
      [
        "event": "verified", "proof": .string(proof), "tokens": .integer(tokens),
        "transaction": .string(transaction),
      ]
    case .reported(let tokens, let isLast):
      ["event": "reported", "tokens": .integer(tokens), "last": .bool(isLast)]
    case .assigned(let blocks, let count):
      ["event": "assigned", "blocks": .string(blocks), "total": .integer(count)]
    case .placed(let blocks, let count):
      ["event": "placed", "blocks": .string(blocks), "total": .integer(count)]
    case .moving(let blocks, let target, let reason):
      [
        "event": "moving", "blocks": .string(blocks), "target": .string(target),
        "reason": .string(reason),
      ]
    case .topology(let nodes, let order, let next):
      [
        "event": "topology", "nodes": .integer(nodes), "order": order.map { .integer($0) } ?? .null,
        "next": next.map(JSON.string) ?? .null,
      ]
    case .trouble(let message):
      ["event": "trouble", "message": .string(message)]
    }
  }

  var text: String {
    switch self {
    case .listening(_, let url): "listening on \(url)"
    case .registered(let agent, let transaction?):
      "registered agent \(agent) (transaction \(transaction))"
    case .registered(let agent, nil): "agent \(agent) was registered before"
    case .heartbeat(let transaction): "heartbeat (transaction \(transaction))"
    case .verified(let proof, let tokens, let transaction):
      "proof \(proof) of \(tokens) tokens verified (transaction \(transaction))"
    case .reported(let tokens, let isLast):
      "reported \(tokens) tokens to the oracle\(isLast ? ", for the last time" : "")"
    case .assigned(let blocks, let count): "the oracle gave layers \(blocks) of \(count)"
    case .placed(let blocks, let count):
      "blocks \(blocks) of \(count) are served, which the swarm served worst"
    case .moving(_, _, let reason): reason
    case .topology(let nodes, let order?, let next):
      "place \(order) of \(nodes) in the pipeline, \(next.map { "before \($0)" } ?? "nobody behind")"
    case .topology(let nodes, nil, _): "not listed among the \(nodes) nodes of the pipeline"
    case .trouble(let message): message
    }
  }

  /// Reads the line that another process printed with `--json`.
  /// - Returns: nil for a line that is no event.
  init?(line: String) {
    // A line that is no JSON comes from some library: no event, and no error of ours.
    guard let object = try? JSON.parse(Array(line.utf8)) else { return nil }
    func text(_ key: String) -> String? { object[key]?.stringValue }
    switch text("event") {
    case "listening":
      guard let service = text("service").flatMap(Service.init), let url = text("url") else {
        return nil
      }
      self = .listening(service, url: url)
    case "registered":
      guard let agent = text("agent") else { return nil }
      self = .registered(agent: agent, transaction: text("transaction"))
    case "heartbeat":
      guard let transaction = text("transaction") else { return nil }
      self = .heartbeat(transaction: transaction)
    case "verified":
      guard let proof = text("proof"), let tokens = object["tokens"]?.integerValue,
        let transaction = text("transaction")
      else { return nil }
      self = .verified(proof: proof, tokens: tokens, transaction: transaction)
    case "reported":
      guard let tokens = object["tokens"]?.integerValue,
        let isLast = object["last"]?.boolValue
      else { return nil }
      self = .reported(tokens: tokens, isLast: isLast)
    case "assigned":
      guard let blocks = text("blocks"), let total = object["total"]?.integerValue else {
        return nil
      }
      self = .assigned(blocks: blocks, of: Int(total))
    case "placed":
      guard let blocks = text("blocks"), let total = object["total"]?.integerValue else {
        return nil
      }
      self = .placed(blocks: blocks, of: Int(total))
    case "moving":
      guard let blocks = text("blocks"), let target = text("target"), let reason = text("reason")
      else { return nil }
      self = .moving(from: blocks, to: target, reason: reason)
    case "topology":
      guard let nodes = object["nodes"]?.integerValue else { return nil }
      self = .topology(
        nodes: Int(nodes), order: object["order"]?.integerValue.map { Int($0) }, next: text("next"))
    case "trouble":
      guard let message = text("message") else { return nil }
      self = .trouble(message)
    default:
      return nil
    }
  }
}

extension ServiceEvent {
  /// Converts an event of an agent's service.
  /// - Parameter agent: The service's agent.
  /// - Returns: Nil for a claim, which nodes do not make.
  init?(_ event: AgentEvent, of agent: Address) {
    switch event {
    case .registered(.registered(let receipt)):
      self = .registered(agent: agent.checksummed, transaction: receipt.transactionHash.hex)
    case .registered(.alreadyRegistered):
      self = .registered(agent: agent.checksummed, transaction: nil)
    case .forgotten:
      self = .trouble("the chain does not know the agent any more: it is registered again")
    case .heartbeat(let receipt): self = .heartbeat(transaction: receipt.transactionHash.hex)
    case .verified(let proof, let receipt):
      self = .verified(
        proof: proof.proofHash.hex, tokens: proof.tokenCount,
        transaction: receipt.transactionHash.hex)
    case .claimed: return nil
    case .failed(let failure): self = .trouble("\(failure)")
    }
  }
}

/// The options that every service takes.
struct ServiceOptions: ParsableArguments {
  @Option(help: "The address to listen on.")
  var host = "127.0.0.1"

  @Flag(
    help: ArgumentHelp(
      "With --json, print what the service does for the process that watches it.",
      visibility: .hidden))
  var observe = false

  @OptionGroup var output: OutputOptions

  /// What prints events of the network, if that was asked for.
  func observation() -> Observation { Observation(isOn: observe && output.json) }

  /// Prints an event, as text or as JSON.
  ///
  /// Events are results of a service: `--quiet` keeps them.
  /// - Parameter details: members that the event's JSON object has besides its own.
  func announce(_ event: ServiceEvent, details: JSONObject = [:]) {
    var object = event.json.objectValue ?? [:]
    for member in details.members { object[member.key] = member.value }
    // A line is an event: what others said must not make another one of it.
    output.result(.object(object), text: event.text.singleLine)
  }

  /// The signals that stop the service.
  func shutdownSignals() -> ShutdownSignals {
    ShutdownSignals()
  }
}

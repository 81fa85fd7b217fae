import AsyncPrimitives
import EthereumClient
import EthereumPrimitives
import Foundation
import HTTPTypes
import MockServing
import NIOHTTP1
import NetworkWatch
import PlumiseTesting
import PlumiseWire
import Synchronization

/// A running network as its page shows it, and what can be ordered about it.
final class LiveNetwork: WatchedNetwork {
  let network: RunningNetwork
  let watcher: NetworkWatcher
  let links: [NodeLinks.Link]
  private let linkFaults: FaultAdministration
  private let processes: NetworkProcesses
  private let generations: PageGenerations
  private let run = UUID().uuidString
  /// The node's processes as they are now; nil while one is away, and while it is started.
  private let nodes: Mutex<[ServiceProcess?]>
  private let chain: EthereumClient

  init(
    _ network: RunningNetwork, _ links: [NodeLinks.Link], _ linkFaults: FaultAdministration,
    _ processes: NetworkProcesses, _ watcher: NetworkWatcher, _ tasks: TaskScope
  ) throws {
    self.network = network
    self.links = links
    self.linkFaults = linkFaults
    self.processes = processes
    self.watcher = watcher
    nodes = Mutex(network.nodes.map(\.process))
    chain = EthereumClient(url: network.chainURL)
    generations = try PageGenerations(network.checkpoint, links, watcher.events, tasks)
  }

  var description: JSON {
    [
      "run": .string(run), "model": .string(network.checkpoint.name),
      "chain": .string(network.chainURL), "oracle": .string(network.oracleURL),
      "faults": .array(administrations.map { .string($0.name) } + ["links"]),
      "nodes": .array(
        zip(network.nodes, links).map { node, link in
          [
            "name": .string(link.name), "blocks": .string("\(node.blocks)"),
            "agent": .string(node.agent.checksummed), "peer": .string(node.peer),
            "link": .string(link.link.peer.description),
          ]
        }),
    ]
  }

  /// Where faults of services are ordered.
  private var administrations: [(name: String, url: String)] { network.faultAdministrations }

  func faults() async -> JSON {
    var found: JSONObject = [:]
    for (name, url) in administrations {
      // A service that is gone has no faults to show; that it is gone the events say.
      let answer = try? await ServiceRequest.send(.GET, "\(url)/admin/faults")
      found[name] = answer?["faults"] ?? []
    }
    found["links"] = linkAnswer(WebRequest(.get, "/faults"))["faults"] ?? []
    return .object(found)
  }

  func perform(_ order: PageOrder) async throws -> JSONObject {
    switch order {
    case .generate(let prompt, let maxNewTokens, let temperature):
      return ["generation": .integer(try generations.begin(prompt, maxNewTokens, temperature))]
    case .addFault(of: "links", let order):
      return try changeLinkFaults(WebRequest(.post, "/faults", body: order.serialized()))
    case .addFault(let name, let order):
      let answer = try await ServiceRequest.send(.POST, "\(try url(of: name))/admin/faults", order)
      return answer.objectValue ?? [:]
    case .removeFault(of: "links", let id):
      return try changeLinkFaults(WebRequest(.delete, "/faults/\(id)"))
    case .removeFault(let name, let id):
      let escaped = id.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? id
      try await ServiceRequest.send(.DELETE, "\(try url(of: name))/admin/faults/\(escaped)")
    case .link(let name, let action): try await change(try index(of: name), action)
    case .kill(let name): try await kill(try index(of: name), name)
    case .start(let name): try await start(try index(of: name), name)
    case .moveClock(let seconds):
      try await ServiceRequest.call(
        network.chainURL, "evm_increaseTime", [.integer(seconds)])
      watcher.events.record("chain", .clock(ClockNews(seconds: seconds)))
      try await ServiceRequest.call(network.chainURL, "evm_mine")
    }
    return [:]
  }

  private func url(of name: String) throws -> String {
    if let (_, url) = administrations.first(where: { $0.name == name }) { return url }
    let names = administrations.map(\.name) + ["links"]
    throw OrderRefusal(
      "there is no \(name) with faults: \(names.joined(separator: ", ")) have some")
  }

  private func index(of name: String) throws -> Int {
    if let index = links.firstIndex(where: { $0.name == name }) { return index }
    throw OrderRefusal(
      "there is no \(name): \(links.map(\.name).joined(separator: ", ")) are there")
  }
}

// MARK: - Links

extension LiveNetwork {
  private func linkAnswer(_ request: WebRequest) -> JSON {
    // Our own answers are JSON.
    guard let answer = linkFaults.respond(to: request), let json = try? JSON.parse(answer.body)
    else { return .null }
    return json
  }

  private func changeLinkFaults(_ request: WebRequest) throws -> JSONObject {
    let answer = linkAnswer(request)
    guard let members = answer.objectValue else {
      throw OrderRefusal("there is no such fault: GET /faults lists them")
    }
    if let message = members["error"]?.stringValue { throw OrderRefusal(message) }
    return members
  }

  private func change(_ index: Int, _ action: PageOrder.LinkAction) async throws {
    let (name, link) = (links[index].name, links[index].link)
    var news = LinkNews(.open)
    switch action {
    case .cut:
      await link.cut()
      news = LinkNews(.cut)
    case .hold:
      try await link.heal()
      link.hold()
      news = LinkNews(.held)
    case .slow(let milliseconds):
      try await link.heal()
      link.release()
      link.add(LinkFaultRule(.delay(.milliseconds(milliseconds)), count: nil))
      news = LinkNews(.slow, milliseconds: milliseconds)
    case .open:
      try await link.heal()
      link.release()
    }
    watcher.events.record(name, .link(news))
  }
}

// MARK: - Nodes

extension LiveNetwork {
  private func kill(_ index: Int, _ name: String) async throws {
    let child = nodes.withLock { nodes in
      defer { nodes[index] = nil }
      return nodes[index]
    }
    guard let child else { throw OrderRefusal("\(name) does not run", isConflict: true) }
    child.kill()
    _ = await child.terminationIgnoringCancellation()
  }

  /// Starts a node anew, with its key and at its address, and waits until it serves.
  private func start(_ index: Int, _ name: String) async throws {
    let node = network.nodes[index]
    let keys = try KeyFolder()
    defer { keys.remove() }
    let arguments = node.arguments + ["--key-file", try keys.write(node.key, name: name)]
    let child = try nodes.withLock { nodes in
      guard nodes[index] == nil else {
        throw OrderRefusal("\(name) runs already", isConflict: true)
      }
      let child = processes.start(node.process.name, arguments, part: name)
      nodes[index] = child
      return child
    }
    do {
      try await withDeadline(.seconds(60), "\(name) does not answer") {
        _ = try await child.url(of: .node)
      }
    } catch {
      throw OrderRefusal("\(error)", isConflict: true)
    }
  }
}

// MARK: - Agents

extension LiveNetwork {
  /// Tells of what the chain keeps of each agent, at blocks that change it, until the task is cancelled.
  func followStandings() async {
    var last = 0
    var known: [AgentStanding?] = network.nodes.map { _ in nil }
    // The wait fails only when the task is cancelled.
    while let batch = try? await watcher.events.entries(after: last), let end = batch.last {
      last = end.event.number
      let hasNews = batch.contains { entry in
        if case .block = entry.event.kind { true } else { false }
      }
      guard hasNews || known.contains(nil) else { continue }
      for (index, node) in network.nodes.enumerated() {
        // A chain that does not answer just then is asked again at the next block.
        guard let standing = try? await chain.standing(of: node.agent), standing != known[index]
        else {
          continue
        }
        known[index] = standing
        watcher.events.record(links[index].name, .standing(standing))
      }
    }
  }
}

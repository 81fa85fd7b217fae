import ArgumentParser
import AsyncPrimitives
import MockServing
import NetworkWatch

/// Where the events of a network go: to a page, and to a file.
struct WatchOptions: ParsableArguments {
  @Option(
    within: .port,
    help: "The page's port; 0 takes any free one, as --ports auto does. 8080 when not said.")
  var pagePort: Int?

  @Option(
    help: "Write every event of the network to this file, one JSON object a line.",
    completion: .file(extensions: ["jsonl"]))
  var events: String?

  /// The port of the page beside services on these ports.
  func port(beside ports: PortChoice) -> Int { pagePort ?? ports.page }

  /// What gathers the events.
  /// - Throws: `CommandFailure` (wrong input) for a file that cannot be written.
  func makeWatcher() throws -> NetworkWatcher {
    NetworkWatcher(file: try events.map { try EventFile($0) })
  }
}

/// The page of a running network.
enum NetworkPage {
  /// Serves a network's page while a body runs.
  /// - Parameters:
  ///   - network: What is shown.
  ///   - links: The ways to the nodes, and their faults.
  ///   - processes: Starts nodes that were killed.
  ///   - watcher: Has the events.
  ///   - port: Where to listen.
  ///   - output: Says where the page is.
  ///   - body: What is done meanwhile.
  static func serve(
    _ network: RunningNetwork, _ links: NodeLinks, _ processes: NetworkProcesses,
    _ watcher: NetworkWatcher, port: Int, _ output: OutputOptions,
    _ body: () async throws -> Void
  ) async throws {
    let tasks = TaskScope()
    let live = try LiveNetwork(
      network, links.links, links.administration, processes, watcher, tasks)
    tasks.spawn { await live.followStandings() }
    do {
      try await CommandFailure.mappingServingErrors {
        try await PageServer(live, events: watcher.events).withServer(port: port) { address in
          let event = ServiceEvent.listening(.page, url: address.url)
          output.result(event.json, text: "page    \(address.url)")
          try await body()
        }
      }
    } catch {
      tasks.cancel()
      await tasks.wait()
      throw error
    }
    tasks.cancel()
    await tasks.wait()
  }
}

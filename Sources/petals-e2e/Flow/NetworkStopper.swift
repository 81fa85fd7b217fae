/// The last steps of the flow: everything stops, and nothing is left.
struct NetworkStopper: Sendable {
  /// The ports that were asked for.
  ///
  /// One that the system chose may be anybody's as soon as it is free.
  let fixedPorts: [Int]
  let processes: NetworkProcesses
  let log: StepLog

  /// Stops the children, whatever became of the flow.
  ///
  /// - Parameter nodes: who must report once more as they stop; empty when the flow failed.
  func stop(expectingLastReportFrom nodes: [ServiceProcess]) async throws {
    if !nodes.isEmpty {
      try await log.run("each node reports once more as it stops") {
        await processes.stop(nodes)
        for node in nodes {
          let reported = node.events.contains {
            if case .reported(_, isLast: true) = $0 { true } else { false }
          }
          if !reported { throw CommandFailure.failed("\(node.name) sent no last report") }
        }
        return ((), "\(nodes.count) last reports")
      }
    }
    let title = fixedPorts.isEmpty ? "no process is left" : "no process is left, every port is free"
    try await log.run(title) {
      let endings = await processes.stop(processes.all)
      for (name, ending) in endings where ending.wasAsked && ending.status?.isSuccess == false {
        throw ChildFailure(name: name, ending: ending)
      }
      let ports = Set(processes.all.flatMap(\.ports)).intersection(fixedPorts)
      for port in ports where !LocalPort.isFree(port) {
        throw CommandFailure.failed("port \(port) is still in use")
      }
      let ended = "\(endings.count) processes ended"
      return ((), ports.isEmpty ? ended : "\(ended), \(ports.count) ports free")
    }
  }
}

import Bloom
import Foundation
import MockServing
import PetalsNode
import PlumiseTesting
import TestSupport
import Testing

@Suite("Steps that go from node to node", .timeLimit(.minutes(5)))
struct HandOverTests {
  let model: TinyModel
  let expected: [Int32]

  init() throws {
    model = try TinyModel()
    expected = try model.ids("case2.generated_ids")
  }

  private func request(isTraced: Bool = false, draft: DraftModel? = nil) throws -> PipelineRequest {
    try PipelineRequest(
      promptIDs: model.ids("case2.input_ids"), maxNewTokens: expected.count, isTraced: isTraced,
      draft: draft)
  }

  @Test(
    "The client sends steps to the first node alone; the ids are those of one process",
    arguments: [[12], [8, 16], [6, 12, 18]])
  func sameIDs(cuts: [Int]) async throws {
    try await withNodes(of: model, cuts: cuts, configure: handingOn) { nodes in
      try await withPipelineClient(model.ends, peers: nodes.map { try $0.boundAddress }) { client in
        var (taken, batches) = (0, nodes.map(\.batches))
        for name in TinyModel.cases {
          let ids = try model.ids("\(name).generated_ids")
          let stream = try client.generate(
            PipelineRequest(
              promptIDs: model.ids("\(name).input_ids"), maxNewTokens: ids.count, isTraced: true))
          for try await token in stream {
            #expect(token.id == ids[token.index])
            let trace = try #require(token.trace)
            #expect(trace.hops.map(\.peer) == client.route.hops.map(\.peer))
            #expect(trace.hops.allSatisfy { $0.elapsed >= .zero && $0.computeTime > .zero })
          }
          #expect(await stream.result?.generatedIDs == ids)
          taken += ids.count
          // Each step once on each node, and behind the first one each from the node before.
          batches = batches.map { $0 + ids.count }
          #expect(nodes.map(\.batches) == batches)
          #expect(nodes.dropFirst().allSatisfy { $0.handOverUsage.taken == taken })
          #expect(nodes[0].handOverUsage.taken == 0)
        }
        #expect(nodes.allSatisfy { $0.handOverUsage.notHandedOn == 0 })
        #expect(nodes.dropLast().allSatisfy { $0.handOverUsage.handedOn > 0 })
        #expect(client.heldBytes == 0)
      }
      let tokens = try TinyModel.cases.reduce(0) { try $0 + model.ids("\($1).generated_ids").count }
      for node in nodes {
        try await node.waitUntilIdle()
        #expect(node.metrics.snapshot.totalTokens == Int64(tokens))
        #expect(node.metrics.snapshot.totalRequests == Int64(TinyModel.cases.count))
      }
    }
  }

  @Test("Many generations at once keep their steps apart")
  func together() async throws {
    try await withNodes(of: model, cuts: [8, 16], configure: handingOn) { nodes in
      try await withPipelineClient(model.ends, peers: nodes.map { try $0.boundAddress }) { client in
        try await withThrowingTaskGroup(of: Void.self) { group in
          for number in 0..<24 {
            let name = TinyModel.cases[number % TinyModel.cases.count]
            group.addTask {
              let ids = try model.ids("\(name).generated_ids")
              let result = try await client.generate(
                PipelineRequest(promptIDs: model.ids("\(name).input_ids"), maxNewTokens: ids.count)
              ).collect()
              #expect(result.generatedIDs == ids, "\(name)")
            }
          }
          try await group.waitForAll()
        }
      }
      #expect(nodes.allSatisfy { $0.handOverUsage.notHandedOn == 0 })
      for node in nodes { try await node.waitUntilIdle() }
    }
  }

  @Test("A draft model's steps of several tokens go on, and roll every node back")
  func draft() async throws {
    try await withTemporaryFolder { folder in
      let target = folder.appending(path: "draft")
      try ModelQuantizer.quantize(model.checkpoint, as: .q4, into: target)
      // The rounded one is wrong at times.
      for draft in [
        try DraftModel(Checkpoint(directory: target), for: model.checkpoint, tokens: 4),
        try DraftModel(model.checkpoint, for: model.checkpoint, tokens: 3),
      ] {
        try await withNodes(of: model, cuts: [8, 16], configure: handingOn) { nodes in
          let peers = try nodes.map { try $0.boundAddress }
          try await withPipelineClient(model.ends, peers: peers) { client in
            let result = try await client.generate(request(draft: draft)).collect()
            #expect(result.generatedIDs == expected)
            #expect(result.draft?.proposed ?? 0 > 0)
            let steps = nodes.map(\.batches)
            #expect(steps[0] > 1 && Set(steps).count == 1)
            #expect(nodes.dropFirst().allSatisfy { $0.handOverUsage.taken == steps[0] })
          }
        }
      }
    }
  }

  @Test(
    "Only neighbours that both hand on do so",
    arguments: [([0, 2], [0, 0, 0]), ([0, 1], [0, 1, 0]), ([1, 2], [0, 0, 1])] as [([Int], [Int])])
  func otherNodes(places: [Int], taking: [Int]) async throws {
    let model = model
    try await withNodes(of: model, cuts: [8, 16]) { configuration in
      if places.contains(configuration.blocks.lowerBound / 8) { handingOn(&configuration) }
    } _: { nodes in
      #expect(nodes.indices.filter { nodes[$0].info.handsOn } == places)
      try await withPipelineClient(model.ends, peers: nodes.map { try $0.boundAddress }) { client in
        let result = try await client.generate(request()).collect()
        #expect(result.generatedIDs == expected)
      }
      #expect(nodes.map(\.handOverUsage.taken) == taking.map { $0 * expected.count })
    }
  }

  @Test("In one process nothing is handed on")
  func inProcess() async throws {
    try await withNodes(of: model, cuts: [12], configure: handingOn) { nodes in
      try await withPipelineClient(model.ends, transports: nodes.map(\.transport)) { client in
        let result = try await client.generate(request()).collect()
        #expect(result.generatedIDs == expected)
      }
      #expect(nodes.allSatisfy { $0.handOverUsage == HandOverUsage() })
    }
  }

  @Test(
    "Where a node cannot reach the next one, the client sends the steps",
    arguments: [.close, .reset, .hold] as [LinkFault])
  func unreachable(fault: LinkFault) async throws {
    let model = model
    try await withNodes(of: model, cuts: [12]) { configuration in
      configuration.handsOn = true
      configuration.deliveryLimit = .milliseconds(50)
    } _: { nodes in
      try await withFaultyLink(to: nodes[1].boundAddress) { link in
        let peers = [try nodes[0].boundAddress, link.peer]
        try await withPipelineClient(model.ends, peers: peers) { client in
          // The client is connected already.
          link.add(LinkFaultRule(fault, count: nil))
          let result = try await client.generate(request()).collect()
          #expect(result.generatedIDs == expected)
          #expect(result.route.hops.map(\.peer) == peers.map(\.description))
        }
        #expect(nodes[1].handOverUsage.taken == 0)
        #expect(nodes[0].handOverUsage.notHandedOn == expected.count)
        for node in nodes { try await node.waitUntilIdle() }
      }
    }
  }

  @Test("A reader that leaves ends the sessions of all nodes", arguments: [0, 3])
  func cancelled(token: Int) async throws {
    try await withNodes(of: model, cuts: [8, 16], configure: handingOn) { nodes in
      try await withPipelineClient(model.ends, peers: nodes.map { try $0.boundAddress }) { client in
        let task = Task {
          for try await made in try client.generate(request()) where made.index == token {
            withUnsafeCurrentTask { $0?.cancel() }
          }
        }
        await #expect(throws: CancellationError.self) { try await task.value }
        for node in nodes { try await node.waitUntilIdle() }
        // The next one finds its way as if nothing had been.
        let result = try await client.generate(request()).collect()
        #expect(result.generatedIDs == expected)
      }
    }
  }
}

/// Has a node hand steps on, however slow the machine is.
func handingOn(_ configuration: inout NodeConfiguration) {
  configuration.handsOn = true
  configuration.deliveryLimit = .seconds(250)
}

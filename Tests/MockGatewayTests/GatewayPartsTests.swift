import EthereumPrimitives
import MockGateway
import PlumiseWire
import TestSupport
import Testing

@Suite("Nodes that a gateway chooses", .timeLimit(.minutes(1))) struct GatewayNodesTests {
  private func node(_ number: UInt8, order: Int? = nil, benchmark: Double = 1) throws -> GatewayNode
  {
    GatewayNode(
      address: try testKey(number).address, url: "http://10.0.0.\(number):31331", order: order,
      benchmark: benchmark)
  }

  @Test("Of a pipeline only the first node is asked, others whatever their place")
  func order() throws {
    var nodes = GatewayNodes(seed: 1)
    let found = try [node(1, order: 0), node(2, order: 1), node(3)]
    nodes.replace(with: found)
    for node in found { nodes.isHealthy(node.url, mode: .pipeline) }
    var asked: Set<String> = []
    while let node = nodes.begin(besides: asked, at: .zero) { asked.insert(node.url) }
    #expect(asked == [found[0].url, found[2].url])
    nodes.isHealthy(found[1].url, mode: .openAI)
    #expect(nodes.begin(besides: asked, at: .zero)?.url == found[1].url)
  }

  @Test("A node twice as fast is asked four times as often, one that is busy less")
  func weights() throws {
    var nodes = GatewayNodes(seed: 7)
    let (slow, fast) = try (node(1, benchmark: 10), node(2, benchmark: 20))
    nodes.replace(with: [slow, fast])
    func share() -> Double {
      var count = 0
      for _ in 0..<4000 {
        guard let node = nodes.begin(besides: [], at: .zero) else { continue }
        nodes.end(node.url)
        count += node.url == fast.url ? 1 : 0
      }
      return Double(count) / 4000
    }
    #expect(abs(share() - 0.8) < 0.03)
    // Three requests in flight quarter the weight of the fast one: 100 against 400 / 4.
    var held = 0
    while held < 3 {
      guard let node = nodes.begin(besides: [slow.url], at: .zero), node.url == fast.url else {
        break
      }
      held += 1
    }
    try #require(held == 3)
    #expect(abs(share() - 0.5) < 0.03)
  }

  @Test(
    "Three failures in a row leave a node alone for thirty seconds; its word that it is well ends that"
  )
  func offline() throws {
    var nodes = GatewayNodes(seed: 1)
    let only = try node(1)
    nodes.replace(with: [only])
    func isAsked(at time: Duration) -> Bool {
      guard let node = nodes.begin(besides: [], at: time) else { return false }
      nodes.end(node.url)
      return true
    }
    for _ in 0..<2 { nodes.fail(only.url, at: .zero) }
    #expect(isAsked(at: .zero))
    nodes.isHealthy(only.url, mode: .openAI)
    for _ in 0..<2 { nodes.fail(only.url, at: .zero) }
    #expect(isAsked(at: .zero), "two failures after a success are not three in a row")
    nodes.isHealthy(only.url, mode: .openAI)
    for _ in 0..<3 { nodes.fail(only.url, at: .seconds(5)) }
    #expect(!isAsked(at: .seconds(34)))
    // What the oracle says anew does not bring it back.
    nodes.replace(with: [only])
    #expect(!isAsked(at: .seconds(34)))
    #expect(isAsked(at: .seconds(35)))
  }

  @Test("One request is tried at five nodes at most")
  func tries() throws {
    var nodes = GatewayNodes(seed: 1)
    nodes.replace(with: try (1...9).map { try node($0) })
    var asked: Set<String> = []
    while let node = nodes.begin(besides: asked, at: .zero) { asked.insert(node.url) }
    #expect(asked.count == 5)
  }

  @Test("Of a topology ready nodes count; a registered node counts too, and loopback by a switch")
  func listing() throws {
    let topology: JSON = [
      "nodes": [
        [
          "nodeAddress": .string(try testKey(1).address.checksummed), "ready": true,
          "httpEndpoint": "http://10.0.0.1:31331/", "pipelineOrder": 0, "benchmarkTokPerSec": 12,
        ],
        [
          "nodeAddress": .string(try testKey(2).address.checksummed), "ready": false,
          "httpEndpoint": "http://10.0.0.2:31331", "pipelineOrder": 1,
        ],
        [
          "nodeAddress": .string(try testKey(3).address.checksummed), "ready": true,
          "httpEndpoint": "http://localhost:31331", "pipelineOrder": 999,
        ],
      ]
    ]
    let registered: JSON = [
      "nodes": [
        [
          "address": .string(try testKey(4).address.checksummed.lowercased()),
          "endpoint": "http://[::1]:1",
        ],
        ["address": "nobody", "endpoint": "http://10.0.0.9:1"],
        ["address": .string(try testKey(5).address.checksummed), "endpoint": "ftp://10.0.0.9"],
      ]
    ]
    let capacity: JSON = [
      ["address": .string(try testKey(4).address.checksummed), "benchmarkTokPerSec": 33]
    ]
    func found(_ allowsLoopback: Bool) -> (usable: [GatewayNode], refused: [GatewayNode]) {
      OracleListing.nodes(
        topology: topology, registered: registered, capacity: capacity,
        allowsLoopback: allowsLoopback)
    }
    #expect(found(false).usable.map(\.url) == ["http://10.0.0.1:31331"])
    #expect(found(false).refused.map(\.url) == ["http://localhost:31331", "http://[::1]:1"])
    #expect(found(true).refused.isEmpty)
    let all = found(true).usable
    #expect(
      all.map(\.url) == ["http://10.0.0.1:31331", "http://localhost:31331", "http://[::1]:1"])
    #expect(all.map(\.order) == [0, nil, nil])
    #expect(all.map(\.benchmark) == [12, 0, 33])
  }
}

@Suite("Streams that a gateway reads", .timeLimit(.minutes(1))) struct StreamReaderTests {
  private func read(
    _ chunks: [String], _ profile: GatewayProfile
  ) throws -> [StreamReader.Event] {
    var reader = StreamReader(profile)
    return try chunks.flatMap { try reader.read(Array($0.utf8)) } + reader.finish()
  }

  @Test("Tokens come one by one, and the end is the end", arguments: GatewayProfile.allCases)
  func tokens(profile: GatewayProfile) throws {
    let events = try read(
      ["data: {\"token\":\"a\"}\n\ndata: {\"token\":\" b\"}\n\n", "data: [DONE]\n\n"], profile)
    #expect(events == [.text("a"), .text(" b"), .done])
    let openAI = try read(
      ["data: {\"choices\":[{\"delta\":{\"content\":\"x\"}}]}\r\n\r\n", "data: [DONE]"], profile)
    #expect(openAI == [.text("x"), .done])
    let ending = #"{"choices":[{"delta":{"content":"x"},"finish_reason":"length"}]}"#
    #expect(try read(["data: \(ending)\n"], profile) == [.text("x"), .finished("length")])
  }

  @Test(
    "A line that two chunks share is two lines to the real gateway, and one to the repaired one")
  func split() throws {
    let chunks = ["data: {\"tok", "en\":\"a\"}\n\ndata: [DONE]\n\n"]
    #expect(try read(chunks, .faithful) == [.text("{\"tok"), .text("en\":\"a\"}"), .done])
    #expect(try read(chunks, .fixed) == [.text("a"), .done])
    // Whatever the chunks are, down to single bytes.
    let bytes = chunks.joined().map { String($0) }
    #expect(try read(bytes, .fixed) == [.text("a"), .done])
  }

  @Test(
    "An event that says what failed is text to the real gateway, and a failure to the repaired one")
  func failure() throws {
    let chunks = ["data: {\"error\":\"out of memory\"}\n\n"]
    #expect(try read(chunks, .faithful) == [.text("{\"error\":\"out of memory\"}")])
    #expect(try read(chunks, .fixed) == [.failure("out of memory")])
  }

  @Test("A character that two chunks share is kept by the repaired one")
  func character() throws {
    var reader = StreamReader(.fixed)
    let bytes = Array("data: {\"token\":\"é\"}\n".utf8)
    let middle = bytes.firstIndex(of: 0xa9) ?? 0
    let events = try reader.read(bytes[..<middle]) + reader.read(bytes[middle...])
    #expect(events + reader.finish() == [.text("é")])
  }

  @Test("A line has a million bytes at most; the real gateway keeps none, and takes any")
  func longLine() throws {
    let space = (StreamReader.longestLine - 1024) / 4
    let line = "data: {\"token\":\"a\"}"
    var chunks = Array(repeating: String(repeating: " ", count: space), count: 4)
    chunks.append(String(repeating: " ", count: 1024 - line.utf8.count))
    // The longest line that there may be, twice: what one takes is not counted for the next.
    let longest = [line] + chunks + ["\n"]
    #expect(try read(longest + longest, .fixed) == [.text("a"), .text("a")])
    #expect(throws: StreamReader.LineTooLong.self) {
      try read([line] + chunks + [" ", "\n"], .fixed)
    }
    var reader = StreamReader(.fixed)
    #expect(throws: StreamReader.LineTooLong.self) {
      // It ends while the line is still coming.
      while true { _ = try reader.read(Array(repeating: 0x61, count: 65536)) }
    }
    #expect(try read([line] + chunks + [" ", "\n"], .faithful) == [.text("a")])
  }
}

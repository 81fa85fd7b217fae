import EthereumPrimitives
import PlumiseWire
import Testing

@Suite("Registry messages")
struct RegistryMessageTests {
  let key = SecretKey.random()

  @Test("A node's registration signs four members in their order, as JavaScript prints them")
  func node() throws {
    let registration = NodeRegistration(
      address: key.address, endpoint: "http://노드:1/", capabilities: ["a", "b"],
      timestamp: 1_770_000_000,
      extras: ["benchmarkTokPerSec": 1])
    let expected =
      #"{"address":"\#(key.address)","endpoint":"http://노드:1/","capabilities":["a","b"],"timestamp":1770000000}"#
    #expect(registration.message.signedText.text == expected)
    try verify(registration.message, NodeRegistration.signedMembers)
  }

  @Test("A pipeline registration signs eight members in their order")
  func pipeline() throws {
    let registration = PipelineRegistration(
      address: key.address, grpcEndpoint: "a:1", httpEndpoint: "http://a:2",
      model: "bigscience/bloom-560m",
      ramMegabytes: 8192, device: "cpu", vramMegabytes: 0, timestamp: 5)
    let expected =
      #"{"address":"\#(key.address)","grpcEndpoint":"a:1","httpEndpoint":"http://a:2","model":"bigscience/bloom-560m","ramMb":8192,"device":"cpu","vramMb":0,"timestamp":5}"#
    #expect(registration.message.signedText.text == expected)
    try verify(registration.message, PipelineRegistration.signedMembers)
  }

  @Test("The word of readiness signs three members in their order")
  func ready() throws {
    let ready = PipelineReady(address: key.address, model: "m", timestamp: 5)
    #expect(
      ready.message.signedText.text == #"{"address":"\#(key.address)","model":"m","timestamp":5}"#)
    try verify(ready.message, PipelineReady.signedMembers)
  }

  /// The receiver builds the signed text from the body that arrived, whatever else is in it.
  private func verify(_ message: RegistryMessage, _ names: [String]) throws {
    let body = try JSON.parse(message.body(signedWith: key).serialized())
    let object = try #require(body.objectValue)
    let text = RegistryMessage.signedText(names, of: object)
    #expect(text == message.signedText)
    let signature = try Signature(hex: #require(object["signature"]?.stringValue))
    #expect(try text.signer(of: signature) == key.address)
    #expect(object.count == names.count + 1 + message.extras.count)
  }

  @Test("A member that did not arrive is left out of the signed text")
  func missingMember() {
    let text = RegistryMessage.signedText(["a", "b", "c"], of: ["c": 3, "a": 1])
    #expect(text.text == #"{"a":1,"c":3}"#)
  }

  @Test("Assignments and nodes of a topology read back")
  func topology() throws {
    let assignment = LayerAssignment(layerStart: 12, layerEnd: 24, totalLayers: 24)
    #expect(LayerAssignment(json: assignment.json(success: true, message: "ok")) == assignment)
    #expect(LayerAssignment(json: assignment.json(success: false, message: "no")) == nil)
    let node = PipelineNode(
      nodeAddress: "0x1", grpcEndpoint: "a", httpEndpoint: "b", layerStart: 0, layerEnd: 12,
      pipelineOrder: 0,
      ready: true)
    #expect(PipelineNode(json: node.json) == node)
    #expect(PipelineNode(json: ["nodeAddress": "0x1"]) == nil)
  }
}

@Suite("The time of day")
struct UnixClockTests {
  @Test(
    "Seconds are rounded down, before 1970 too",
    arguments: [
      (Duration.zero, 0), (.milliseconds(1999), 1), (.seconds(5), 5), (.milliseconds(-1), -1),
      (.milliseconds(-1000), -1), (.milliseconds(-1001), -2),
    ] as [(Duration, Int64)])
  func seconds(_ time: Duration, _ seconds: Int64) {
    #expect(UnixClock { time }.seconds == seconds)
  }

  @Test("The system's clock is after the day this was written, and does not stand still for long")
  func system() {
    #expect(UnixClock.system.seconds > 1_760_000_000)
    #expect(UnixClock.system.now() <= UnixClock.system.now() + .seconds(1))
  }
}

@Suite("The host and the port of a URL")
struct URLAuthorityTests {
  @Test(
    "It is from 1 to 65535, or not there",
    arguments: [
      ("http://a", true), ("http://a/", true), ("http://a:1", true), ("https://a:65535/x", true),
      ("http://[::1]", true), ("http://[::1]:80/", true), ("http://u:p@a", true),
      ("http://u:99999@a:80?x", true), ("http://a/b:99999", true), ("http://a?b=:99999", true),
      ("http://a:0", false), ("http://a:65536", false), ("http://[::1]:65536", false),
      ("http://a:", false), ("http://a:-1", false), ("http://a:+1", false), ("http://a:8o", false),
      ("http://u:1@a:99999", false), ("http://a:18446744073709551697", false),
      ("http://a:340282366920938463463374607431768211536", false),
    ])
  func range(url: String, isPossible: Bool) {
    #expect(URLAuthority.hasPossiblePort(in: url) == isPossible)
  }

  @Test(
    "A topology or an assignment with a number that the oracle cannot store is not read",
    arguments: [.min, -1, 1 << 31, Int64.max - 1, .max])
  func impossibleNumbers(number: Int64) throws {
    let node = PipelineNode(
      nodeAddress: "0xab", grpcEndpoint: "", httpEndpoint: "", layerStart: 0, layerEnd: 12,
      pipelineOrder: 2_147_483_647, ready: true)
    #expect(node.hasPossibleNumbers && PipelineNode(json: node.json) == node)
    for name in ["layerStart", "layerEnd", "pipelineOrder"] {
      var row = try #require(node.json.objectValue)
      row[name] = .integer(number)
      #expect(PipelineNode(json: .object(row)) == nil, "\(name)")
    }
    #expect(
      !PipelineNode(
        nodeAddress: "0xab", grpcEndpoint: "", httpEndpoint: "", layerStart: 0, layerEnd: 12,
        pipelineOrder: Int(number), ready: true
      ).hasPossibleNumbers)
    let assignment = LayerAssignment(layerStart: 0, layerEnd: 12, totalLayers: 24)
    let answer = assignment.json(success: true, message: "")
    #expect(LayerAssignment(json: answer) == assignment)
    for name in ["layerStart", "layerEnd", "totalLayers"] {
      var row = try #require(answer.objectValue)
      row[name] = .integer(number)
      #expect(LayerAssignment(json: .object(row)) == nil, "\(name)")
    }
  }

  @Test(
    "The address is that which a link listens on",
    arguments: [
      ("http://127.0.0.1:3100", "127.0.0.1:3100"),
      ("http://127.0.0.1:3100/a?b=c:9", "127.0.0.1:3100"),
      ("https://u:1@[::1]:80/", "[::1]:80"), ("http://a/:5", nil), ("http://[::1]", nil),
      ("a", nil),
    ] as [(String, String?)])
  func address(url: String, address: String?) {
    #expect(URLAuthority.address(in: url) == address)
  }
}

import AsyncHTTPClient
import AsyncPrimitives
public import EthereumPrimitives
import NIOCore
import NIOHTTP1
import OutgoingHTTP
public import PlumiseWire

/// A client of the deployed oracle's pipelines: joins one, marks a node as ready, reads the topology.
///
/// Source: Wire.md, Node registry and pipeline.
public struct PipelineOracle: Sendable {
  /// The longest answer that is read: a topology of thousands of nodes.
  private static let maximumAnswerBytes = 1 << 24
  /// How long a message to the oracle may take, as for the network's agents.
  private static let messageTimeout = Duration.seconds(30)
  /// How long a reading of the topology may take, as for the network's agents.
  private static let topologyTimeout = Duration.seconds(15)

  /// The oracle.
  public let url: OracleURL
  /// The model whose pipeline it is.
  public let model: String
  private let key: SecretKey
  private let clock: any Clock<Duration>
  private let unixClock: UnixClock

  /// A client for one agent and one model.
  ///
  /// - Parameters:
  ///   - url: The oracle's base URL.
  ///   - model: The model's name, as all nodes of the pipeline give it.
  ///   - key: Signs the messages; its address is the agent's.
  ///   - clock: What measures how long an answer takes.
  ///   - unixClock: The time of day that the messages carry.
  public init(
    url: OracleURL, model: String, key: SecretKey, clock: any Clock<Duration> = ContinuousClock(),
    unixClock: UnixClock = .system
  ) {
    self.url = url
    self.model = model
    self.key = key
    self.clock = clock
    self.unixClock = unixClock
  }

  /// Joins the pipeline, and returns the layers that the oracle gives the node.
  ///
  /// - Parameters:
  ///   - grpcEndpoint: The URL at which other nodes reach it.
  ///   - httpEndpoint: The URL at which users reach it.
  ///   - ramMegabytes: The memory by which layers are shared.
  /// - Throws: ``ReporterError``: `refused` with the oracle's reason, `outage`, `timedOut`;
  ///   `CancellationError`.
  public func join(
    grpcEndpoint: String, httpEndpoint: String, ramMegabytes: Int64
  ) async throws -> LayerAssignment {
    let registration = PipelineRegistration(
      address: key.address, grpcEndpoint: grpcEndpoint, httpEndpoint: httpEndpoint, model: model,
      ramMegabytes: ramMegabytes, timestamp: unixClock.seconds)
    let answer = try await post(registration.message, to: PipelineRegistration.path)
    guard let assignment = LayerAssignment(json: answer) else {
      throw ReporterError(
        .refused, "\(url): the answer to the registration names no layers: \(answer.text)")
    }
    return assignment
  }

  /// Tells the oracle that the node has loaded its layers.
  ///
  /// - Throws: As ``join(grpcEndpoint:httpEndpoint:ramMegabytes:)``.
  public func markReady() async throws {
    let word = PipelineReady(address: key.address, model: model, timestamp: unixClock.seconds)
    _ = try await post(word.message, to: PipelineReady.path)
  }

  /// The nodes of the model's pipeline, in its order.
  ///
  /// - Throws: As ``join(grpcEndpoint:httpEndpoint:ramMegabytes:)``.
  public func topology() async throws -> [PipelineNode] {
    let query = model.utf8.map { byte in
      let isPlain =
        UInt8(ascii: "0") <= byte && byte <= UInt8(ascii: "9")
        || UInt8(ascii: "a") <= byte | 0x20 && byte | 0x20 <= UInt8(ascii: "z")
        || [UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_")].contains(byte)
      let digits = String(byte, radix: 16, uppercase: true)
      return isPlain
        ? String(UnicodeScalar(byte)) : "%" + (digits.count == 1 ? "0" : "") + digits
    }.joined()
    let target = url.appending(path: "/api/v1/pipeline/topology?model=\(query)")
    let answer = try await execute(HTTPClientRequest(url: target), within: Self.topologyTimeout)
    guard let nodes = answer["nodes"]?.arrayValue else {
      throw ReporterError(.refused, "\(url): the topology names no nodes: \(answer.text)")
    }
    return try nodes.map { node in
      guard let node = PipelineNode(json: node) else {
        throw ReporterError(.refused, "\(url): the topology lists what is no node: \(node.text)")
      }
      return node
    }
  }

  private func post(_ message: RegistryMessage, to path: String) async throws -> JSON {
    var request = HTTPClientRequest(url: url.appending(path: path))
    request.method = .POST
    request.headers.add(name: "Content-Type", value: "application/json")
    request.body = .bytes(ByteBuffer(bytes: message.body(signedWith: key).serialized()))
    return try await execute(request, within: Self.messageTimeout)
  }

  private func execute(_ request: HTTPClientRequest, within limit: Duration) async throws -> JSON {
    let late = ReporterError(.timedOut, "\(url) did not answer within \(limit)")
    let (status, body): (Int, [UInt8])
    do {
      (status, body) = try await withDeadline(limit, on: clock, orThrow: late) {
        // The client's own deadline is a backstop.
        let response = try await HTTPClient.singleAttempt.execute(
          request, timeout: .hours(1))
        let body = try await response.body.collect(upTo: Self.maximumAnswerBytes)
        return (Int(response.status.code), Array(body.readableBytesView))
      }
    } catch let error as ReporterError {
      throw error
    } catch {
      try Task.checkCancellation()
      throw ReporterError(
        .outage, "\(url) cannot be reached: \(error)", reason: "\(error)", cause: error)
    }
    let text = String(decoding: body, as: UTF8.self)
    let json: JSON
    do {
      json = try JSON.parse(body)
    } catch {
      throw ReporterError(
        .refused, "\(url) answered \(status) with no JSON: \(text.prefix(200))", status: status)
    }
    guard (200..<300).contains(status) else {
      let reason = json["message"]?.stringValue ?? text
      throw ReporterError(
        .refused, "\(url) refused: \(reason) (\(status))", status: status, reason: reason)
    }
    return json
  }
}

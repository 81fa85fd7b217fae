public import AsyncHTTPClient
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
  /// What measures time limits and pauses.
  let clock: any Clock<Duration>
  private let unixClock: UnixClock
  private let client: HTTPClient

  /// A client for one agent and one model.
  ///
  /// - Parameters:
  ///   - url: The oracle's base URL.
  ///   - model: The model's name, as all nodes of the pipeline give it.
  ///   - key: Signs the messages; its address is the agent's.
  ///   - clock: What measures how long an answer takes, and the pause before a message is repeated.
  ///   - unixClock: The time of day that the messages carry.
  ///   - client: A client of your own, which is shut down by you; by default one that all of the process
  ///     share.
  public init(
    url: OracleURL, model: String, key: SecretKey, clock: any Clock<Duration> = ContinuousClock(),
    unixClock: UnixClock = .system, client: HTTPClient? = nil
  ) {
    self.url = url
    self.model = model
    self.key = key
    self.clock = clock
    self.unixClock = unixClock
    self.client = client ?? .singleAttempt
  }

  /// Joins the pipeline, and returns the layers that the oracle gives the node.
  ///
  /// The oracle takes a registration only if its timestamp, in whole seconds, is above the agent's last
  /// one. A node that is restarted within a second therefore waits for a second and registers again.
  /// - Parameters:
  ///   - grpcEndpoint: The URL at which other nodes reach it.
  ///   - httpEndpoint: The URL at which users reach it.
  ///   - ramMegabytes: The memory by which layers are shared.
  /// - Throws: ``ReporterError``: `refused` with the oracle's reason, `outage`, `timedOut`;
  ///   `CancellationError`.
  public func join(
    grpcEndpoint: String, httpEndpoint: String, ramMegabytes: Int64
  ) async throws -> LayerAssignment {
    let answer = try await post(to: PipelineRegistration.path) { timestamp in
      PipelineRegistration(
        address: key.address, grpcEndpoint: grpcEndpoint, httpEndpoint: httpEndpoint, model: model,
        ramMegabytes: ramMegabytes, timestamp: timestamp
      ).message
    }
    guard let assignment = LayerAssignment(json: answer) else {
      throw ReporterError(
        .refused,
        "\(url): the answer to the registration names no layers, or impossible ones: "
          + answer.text)
    }
    return assignment
  }

  /// Tells the oracle that the node has loaded its layers.
  ///
  /// - Throws: As ``join(grpcEndpoint:httpEndpoint:ramMegabytes:)``.
  public func markReady() async throws {
    _ = try await post(to: PipelineReady.path) { timestamp in
      PipelineReady(address: key.address, model: model, timestamp: timestamp).message
    }
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
        throw ReporterError(
          .refused,
          "\(url): the topology lists what is no node, or one with impossible numbers: \(node.text)"
        )
      }
      return node
    }
  }

  /// Posts a message of this second, and once more a second later where the oracle has a message of this
  /// second or a later one already.
  private func post(
    to path: String, _ message: (_ timestamp: Int64) -> RegistryMessage
  ) async throws -> JSON {
    let timestamp = unixClock.seconds
    do {
      return try await post(message(timestamp), to: path)
    } catch let error as ReporterError where error.isReplay {
      try await clock.sleep(for: .seconds(1))
      // Whatever the time of day was set to meanwhile.
      return try await post(message(max(timestamp + 1, unixClock.seconds)), to: path)
    }
  }

  private func post(_ message: RegistryMessage, to path: String) async throws -> JSON {
    var request = HTTPClientRequest(url: url.appending(path: path))
    request.method = .POST
    request.headers.add(name: "Content-Type", value: "application/json")
    let body = message.body(signedWith: key).serialized()
    request.body = .bytes(ByteBuffer(bytes: body))
    return try await execute(request, body, within: Self.messageTimeout)
  }

  /// - Parameter message: The request's body, by which a service that holds it back recognises it.
  private func execute(
    _ request: HTTPClientRequest, _ message: [UInt8] = [], within limit: Duration
  ) async throws -> JSON {
    let late = ReporterError(.timedOut, "\(url) did not answer within \(limit)")
    let (status, body): (Int, [UInt8])
    do {
      (status, body) = try await withRequest(
        message, to: URLAuthority.address(in: request.url), within: limit, on: clock,
        orThrow: late
      ) {
        // The client's own deadline is a backstop.
        let response = try await client.execute(request, timeout: .hours(1))
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

public import AsyncHTTPClient
import NIOCore
import NIOSSL

/// Reports over HTTP or HTTPS, through a client that keeps connections alive.
///
/// A certificate is checked against the system's roots, or against an authority of your own.
public struct HTTPReportTransport: ReportTransport {
  /// The longest answer that is read; a report's answer is one line.
  private static let longestAnswer = 1 << 20

  /// One client for all reporters of the process, on NIO's shared event loops; it lives as long as
  /// the process does.
  private static let sharedClient = HTTPClient(
    eventLoopGroupProvider: .singleton, configuration: configuration)

  /// How a client connects.
  ///
  /// It connects once per report, where the library would try again and again until its own
  /// time-out: that nobody listens is an outage to be told at once. It follows no redirect, since
  /// a signed report is meant for one oracle.
  private static var configuration: HTTPClient.Configuration {
    var configuration = HTTPClient.Configuration(redirectConfiguration: .disallow)
    configuration.connectionPool.retryConnectionEstablishment = false
    return configuration
  }

  private let client: HTTPClient
  private let owner: ClientOwner?

  /// Makes a transport.
  /// - Parameter client: a client of your own, which brings its own certificates and is shut down
  ///   by you; by default one that all reporters of the process share.
  public init(client: HTTPClient? = nil) {
    self.client = client ?? Self.sharedClient
    owner = nil
  }

  /// Makes a transport that trusts certificates of one authority, and of no other.
  /// - Parameter certificateAuthority: the path of a file with its certificates (PEM).
  /// - Throws: ``CertificateError`` when the file holds none.
  public init(certificateAuthority path: String) throws(CertificateError) {
    let certificates: [NIOSSLCertificate]
    do { certificates = try NIOSSLCertificate.fromPEMFile(path) } catch {
      throw CertificateError(path: path, reason: String(describing: error))
    }
    var configuration = Self.configuration
    var security = TLSConfiguration.makeClientConfiguration()
    security.trustRoots = .certificates(certificates)
    configuration.tlsConfiguration = security
    let owner = ClientOwner(
      HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration))
    self.owner = owner
    client = owner.client
  }

  /// Posts one report.
  public func post(_ request: ReportRequest) async throws -> ReportAnswer {
    var outgoing = HTTPClientRequest(url: request.url)
    outgoing.method = .POST
    outgoing.headers.add(name: "Content-Type", value: "application/json")
    outgoing.headers.add(name: "Accept", value: "application/json")
    outgoing.body = .bytes(ByteBuffer(bytes: request.body))
    // The reporter's clock decides when it is over, the body included; the client's deadline is only a
    // backstop until the answer begins.
    let response = try await client.execute(outgoing, timeout: .hours(1))
    let body = try await response.body.collect(upTo: Self.longestAnswer)
    return ReportAnswer(
      status: Int(response.status.code),
      retryAfter: response.headers.first(name: "Retry-After").flatMap {
        RetryAfter.pause($0, date: response.headers.first(name: "Date"))
      },
      body: Array(body.readableBytesView))
  }
}

/// Shuts a client down when the last transport that uses it is gone.
private final class ClientOwner: Sendable {
  let client: HTTPClient

  init(_ client: HTTPClient) { self.client = client }

  deinit {
    client.shutdown { error in
      // It was in use no more: what cannot be closed is closed already.
      _ = error
    }
  }
}

/// Why a file of certificates cannot be used.
public struct CertificateError: Error, Sendable, Hashable, CustomStringConvertible {
  /// The file.
  public let path: String
  /// What is wrong with it.
  public let reason: String

  /// One line: what is wrong, and what to do.
  public var description: String {
    "certificates \(path): \(reason); give a PEM file with the authority's certificate"
  }
}

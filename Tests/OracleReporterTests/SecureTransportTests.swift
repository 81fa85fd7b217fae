import Foundation
import MockServing
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
import OracleReporter
import SystemErrors
import TestSupport
import Testing

@Suite("HTTPS", .timeLimit(.minutes(5))) struct SecureTransportTests {
  @Test("A certificate of the given authority is trusted, one of nobody known is not")
  func authorities() async throws {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "authority.pem")
      try Data(TestCertificates.authority.utf8).write(to: file)
      try await withSecureServer(answer: #"{"status":"success"}"#) { url in
        let trusting = try ReporterFixture(
          to: url, transport: HTTPReportTransport(certificateAuthority: file.path))
        #expect(await trusting.reporter.reportNow().isAccepted)
        // The system's roots do not know it.
        let wary = try ReporterFixture(to: url, transport: HTTPReportTransport())
        let failure = await wary.reporter.reportNow().failure
        guard failure?.code == .outage, let reason = failure?.reason else {
          Issue.record("a certificate of nobody known was trusted")
          return
        }
        #expect(reason.lowercased().contains("certificate"), "\(reason)")
      }
    }
  }

  @Test("A file without certificates is refused by name")
  func noCertificates() async throws {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "authority.pem")
      let error = #expect(throws: FileError.self) {
        try HTTPReportTransport(certificateAuthority: file.path)
      }
      #expect(error?.path == file.path && error?.purpose == .certificates)
      #expect(error?.description.contains(file.path) == true)
    }
  }
}

/// Serves one answer over HTTPS while a body runs, with the tests' certificate.
func withSecureServer<R: Sendable>(
  answer: String, _ body: (_ url: String) async throws -> R
) async throws -> R {
  let certificate = try NIOSSLCertificate.fromPEMBytes(Array(TestCertificates.server.utf8))
  let key = try NIOSSLPrivateKey(bytes: Array(TestCertificates.serverKey.utf8), format: .pem)
  let context = try NIOSSLContext(
    configuration: .makeServerConfiguration(
      certificateChain: certificate.map { .certificate($0) }, privateKey: .privateKey(key)))
  let listener = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
    .childChannelInitializer { channel in
      channel.eventLoop.makeCompletedFuture {
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(NIOSSLServerHandler(context: context))
        try pipeline.configureHTTPServerPipeline()
        try pipeline.addHandler(FixedAnswer(text: answer))
      }
    }
    .bind(host: "127.0.0.1", port: 0).get()
  do {
    let result = try await body("https://127.0.0.1:\(listener.localAddress?.port ?? 0)")
    try await listener.close()
    return result
  } catch {
    try await listener.close()
    throw error
  }
}

/// Answers every request with the same text, and ends the connection.
private final class FixedAnswer: ChannelInboundHandler {
  typealias InboundIn = HTTPServerRequestPart
  typealias OutboundOut = HTTPServerResponsePart

  private let text: String

  init(text: String) { self.text = text }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    guard case .end = unwrapInboundIn(data) else { return }
    let headers: HTTPHeaders = ["Content-Length": "\(text.utf8.count)", "Connection": "close"]
    let head = HTTPResponseHead(version: .http1_1, status: .ok, headers: headers)
    context.write(wrapOutboundOut(.head(head)), promise: nil)
    context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: text)))), promise: nil)
    let channel = context.channel
    context.writeAndFlush(wrapOutboundOut(.end(nil))).whenComplete { _ in
      channel.close(promise: nil)
    }
  }
}

/// A server's certificate for 127.0.0.1 and the authority that signed it: made for these tests with
/// OpenSSL, valid for a hundred years, and trusted by nobody.
enum TestCertificates {
  /// The authority's certificate.
  static let authority = """
    -----BEGIN CERTIFICATE-----
    MIIBijCCAS+gAwIBAgIUE734lf0gl+GKIHoz9vWK1NKNuvgwCgYIKoZIzj0EAwIw
    GTEXMBUGA1UEAwwOdGVzdCBhdXRob3JpdHkwIBcNMjYxMTIyMTgwOTQ3WhgPMjEy
    NjEwMjkxODA5NDdaMBkxFzAVBgNVBAMMDnRlc3QgYXV0aG9yaXR5MFkwEwYHKoZI
    zj0CAQYIKoZIzj0DAQcDQgAEUBSnWXDlvvZyj+yBrwEYYR3lYsktPgZfMpfZVKmX
    BfMNUsq5Ij/36Y6i5hw6Az/mSj0yc3OykrZUl0CFgtzbaKNTMFEwHQYDVR0OBBYE
    FHlSR/VLft9sN26WGww+i3hN1V5eMB8GA1UdIwQYMBaAFHlSR/VLft9sN26WGww+
    i3hN1V5eMA8GA1UdEwEB/wQFMAMBAf8wCgYIKoZIzj0EAwIDSQAwRgIhAJ/bLo4n
    aVx61cMowRVyud/IPzrZG5Ke1sZulBj/Vfv4AiEA0AxGpI330hKZ8MB0HzXoro6T
    /GoA+Es6nv6Wmf7+F6o=
    -----END CERTIFICATE-----
    """

  /// The server's certificate.
  static let server = """
    -----BEGIN CERTIFICATE-----
    MIIBmjCCAT+gAwIBAgIUdayofVdAYRE4znNnTwKAqkRHjmowCgYIKoZIzj0EAwIw
    GTEXMBUGA1UEAwwOdGVzdCBhdXRob3JpdHkwIBcNMjYxMTIyMTgwOTQ3WhgPMjEy
    NjEwMjkxODA5NDdaMBQxEjAQBgNVBAMMCTEyNy4wLjAuMTBZMBMGByqGSM49AgEG
    CCqGSM49AwEHA0IABNrb687r7s2ISUChAJxm4jka87XuBMMUV1y1aHxOKa5db32+
    UbOTS3FJ7yrDh4xskhj6FLyRVHp3XE1+VYcKX1+jaDBmMA8GA1UdEQQIMAaHBH8A
    AAEwEwYDVR0lBAwwCgYIKwYBBQUHAwEwHQYDVR0OBBYEFDmlR1vnd7LXOiaMUOk+
    PvSm/GXrMB8GA1UdIwQYMBaAFHlSR/VLft9sN26WGww+i3hN1V5eMAoGCCqGSM49
    BAMCA0kAMEYCIQDpIBrlj2lCCWAeXUMQCHQtAuCjSMebpDVkgi0O2LTqBAIhAO/C
    JZIgZMLllTRyHuCanx6vYtdfv08gpMvOePMK4fvp
    -----END CERTIFICATE-----
    """

  /// The server's key, which protects nothing.
  static let serverKey = """
    -----BEGIN PRIVATE KEY-----
    MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQghUk5v/4rngwHpfnb
    36S0KsEiKutppEgKBXrurw+CWyqhRANCAATa2+vO6+7NiElAoQCcZuI5GvO17gTD
    FFdctWh8TimuXW99vlGzk0txSe8qw4eMbJIY+hS8kVR6d1xNflWHCl9f
    -----END PRIVATE KEY-----
    """
}

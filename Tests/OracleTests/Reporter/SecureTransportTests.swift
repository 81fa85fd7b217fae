import Foundation
import OracleReporter
import Testing

@Suite("HTTPS", .timeLimit(.minutes(5))) struct SecureTransportTests {
  @Test("A certificate of the given authority is trusted, one of nobody known is not")
  func authorities() async throws {
    try await withTemporaryFolder { folder in
      let file = folder.appending(path: "authority.pem")
      try Data(TestCertificates.authority.utf8).write(to: file)
      try await withSecureServer(answer: #"{"status":"success"}"#) { url in
        let trusting = try Reporting(
          to: url, transport: HTTPReportTransport(certificateAuthority: file.path))
        #expect(await trusting.reporter.reportNow().isAccepted)
        // The system's roots do not know it.
        let wary = try Reporting(to: url, transport: HTTPReportTransport())
        guard case .outage(_, let reason)? = await wary.reporter.reportNow().failure else {
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
      #expect(throws: CertificateError.self) {
        try HTTPReportTransport(certificateAuthority: file.path)
      }
    }
  }
}

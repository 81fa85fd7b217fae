import HTTPTypes
import MockServing
import OracleReporter
import Testing

@Suite("Retry-After", .timeLimit(.minutes(5))) struct RetryAfterTests {
  /// What the transport makes of an answer with these fields.
  private func pause(_ field: String, date: String? = nil) async throws -> Duration? {
    var headers: HTTPFields = [.retryAfter: field]
    headers[.date] = date
    let response = WebResponse(status: .serviceUnavailable, headers: headers)
    return try await withWebServer(respond: { _ in response }) { address async throws in
      try await HTTPReportTransport().post(ReportRequest(url: address.url, body: [])).retryAfter
    }
  }

  @Test(
    "A date is heeded in each of its forms, by the clock of the answer",
    arguments: [
      "Sun, 06 Nov 1994 08:51:07 GMT", "Sunday, 06-Nov-94 08:51:07 GMT",
      "Sun Nov  6 08:51:07 1994",
    ])
  func dates(field: String) async throws {
    #expect(try await pause(field, date: "Sun, 06 Nov 1994 08:49:37 GMT") == .seconds(90))
    // Without the answer's own date it is long past.
    #expect(try await pause(field) == .zero)
  }

  @Test("A date that is far ahead, over leap days and the turn of a century")
  func calendar() async throws {
    let from = "Thu, 01 Jan 1970 00:00:00 GMT"
    #expect(
      try await pause("Thu, 29 Feb 2024 23:59:59 GMT", date: from) == .seconds(1_709_251_199))
    #expect(
      try await pause("Fri, 31 Dec 1999 23:59:60 GMT", date: from) == .seconds(946_684_800))
    #expect(
      try await pause("Mon, 01 Mar 2100 00:00:00 GMT", date: from) == .seconds(4_107_542_400))
  }

  @Test("Seconds are heeded, and what is neither is none")
  func others() async throws {
    #expect(try await pause("7") == .seconds(7))
    for field in [
      "-1", "soon", "Sun, 06 Nov 1994 08:49:37", "Sun, 32 Nov 1994 08:49:37 GMT",
      "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Foo 1994 08:49:37 GMT",
      "Sun, 06 Nov 19940 1:2:3 GMT",
    ] {
      #expect(try await pause(field) == nil, "\(field)")
    }
  }
}

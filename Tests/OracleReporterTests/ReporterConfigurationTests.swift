import OracleReporter
import PlumiseWire
import Testing

@Suite("Reporter configuration", .timeLimit(.minutes(5))) struct ReporterConfigurationTests {
  @Test(
    "What is no URL is refused with the reason",
    arguments: [
      ("", "neither http:// nor https://"), ("oracle:3100", "neither http:// nor https://"),
      ("ftp://oracle", "neither http:// nor https://"), ("http://", "no host"),
      ("http:///path", "no host"), ("http://:3100", "no host"), ("http://host:", "not a port"),
      ("http://host:0", "not a port"), ("http://host:65536", "not a port"),
      ("http://host:31x0", "not a port"), ("http://ho st", "holds"), ("http://host/?q=1", "holds"),
      ("http://host/#a", "holds"),
    ])
  func badURL(url: String, reason: String) {
    let error = #expect(throws: ReporterError.self) {
      try ReporterConfiguration(oracleURL: url)
    }
    #expect(error?.description.contains(reason) == true)
    #expect(error?.description.hasPrefix("oracle URL \"\(url)\"") == true)
  }

  @Test("In production an interval is at least ten seconds; a test may take any")
  func intervals() throws {
    let url = "http://127.0.0.1:3100"
    #expect(
      throws: ReporterError.intervalTooShort(.seconds(9), least: .seconds(10))
    ) { try ReporterConfiguration.production(oracleURL: url, interval: .seconds(9)) }
    #expect(try ReporterConfiguration.production(oracleURL: url).interval == .seconds(60))
    #expect(
      try ReporterConfiguration(oracleURL: url, interval: .milliseconds(1)).interval
        == .milliseconds(1))
    #expect(throws: ReporterError.self) {
      try ReporterConfiguration(oracleURL: url, interval: .zero)
    }
    #expect(throws: ReporterError.timeoutTooShort(.zero)) {
      try ReporterConfiguration(oracleURL: url, requestTimeout: .zero)
    }
  }

  @Test(
    "Reports go to the path of the dialect",
    arguments: [
      ("http://[::1]:3100///", ReportDialect.documented, "http://[::1]:3100/api/v1/report"),
      (
        "https://oracle.example/base/", .deployed,
        "https://oracle.example/base/api/v1/metrics/report"
      ),
    ])
  func paths(url: String, dialect: ReportDialect, expected: String) throws {
    #expect(
      try ReporterConfiguration(oracleURL: url, dialect: dialect).reportURL == expected)
  }
}

/// A mark that would make one Character of itself and the sign before it.
private let mark = "\u{301}"

@Suite("Texts from outside", .timeLimit(.minutes(5))) struct TextTests {
  @Test("A query in the oracle's URL is one, whatever mark follows its sign")
  func urls() {
    for sign in ["?", "#", " "] {
      #expect(throws: ReporterError.self) {
        try OracleURL("http://127.0.0.1:3100/\(sign)\(mark)")
      }
    }
  }
}

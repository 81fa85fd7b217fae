import Foundation
import MockOracle
import PlumiseWire
import Testing

@Suite("Description file", .timeLimit(.minutes(5))) struct DescriptionFileTests {
  @Test("Documentation/oracle-openapi.json is what the oracle serves; Scripts/openapi.sh writes it")
  func upToDate() throws {
    let file = URL(filePath: #filePath).deletingLastPathComponent()
      .appending(path: "../../../Documentation/oracle-openapi.json")
    let written = try JSON.parse(Data(contentsOf: file))
    #expect(written == OpenAPI.description(of: Set(ReportDialect.allCases)))
  }
}

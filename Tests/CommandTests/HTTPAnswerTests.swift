import Testing
import petals_e2e

@Suite("Answers to a bench")
struct HTTPAnswerTests {
  private func read(_ length: String, body: String = "ab") throws -> HTTPAnswer? {
    let text = "HTTP/1.1 200 OK\r\ncontent-length: \(length)\r\n\r\n\(body)"
    return try Array(text.utf8).withUnsafeBytes { try HTTPAnswer($0) }
  }

  @Test("A length that no answer has is refused, and one that is not there yet is waited for")
  func lengths() throws {
    #expect(try read("2")?.body == Array("ab".utf8))
    #expect(try read("2")?.status == 200)
    #expect(try read("3") == nil)
    for exponent in 25...256 {
      for length in ExtremeNumbers.around(exponent) {
        let error = #expect(throws: (any Error).self) { try read(length) }
        #expect(error.map { "\($0)".contains("Content-Length") } == true, "\(length)")
      }
    }
  }
}

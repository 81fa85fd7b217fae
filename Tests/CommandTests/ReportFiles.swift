import Foundation
import PlumiseWire
import TestSupport
import Testing

/// `junit.xml` as continuous integration reads it.
struct UnitResults {
  let tests: Int?
  let failures: Int?
  /// Of each case, in their order.
  let names: [String]
  /// The messages of those that failed.
  let messages: [String]

  init(in folder: URL) throws {
    let text = try String(contentsOfFile: folder.file("junit.xml"), encoding: .utf8)
    let suite = text.firstMatch(of: /<testsuite [^>]*tests="(\d+)" failures="(\d+)"/)
    tests = suite.flatMap { Int($0.output.1) }
    failures = suite.flatMap { Int($0.output.2) }
    names = text.matches(of: /<testcase [^>]*?\bname="([^"]*)"/).map { String($0.output.1) }
    messages = text.matches(of: /<failure message="([^"]*)"/).map { String($0.output.1) }
    #expect(tests == names.count && failures == messages.count, "\(text)")
    #expect(Markup.fault(in: text) == nil)
  }
}

/// The elements of a page or of a file in XML.
enum Markup {
  /// The first element that is not closed where it must be; nil where all are.
  static func fault(in text: String) -> String? {
    var open: [Substring] = []
    for tag in text.matches(of: /<(\/?)([A-Za-z][A-Za-z0-9]*)[^>]*?(\/?)>/) {
      let (isEnd, name, isEmpty) = (tag.output.1, tag.output.2, tag.output.3)
      if !isEmpty.isEmpty || ["meta", "br"].contains(name) { continue }
      if isEnd.isEmpty {
        open.append(name)
      } else if open.popLast() != name {
        return "\(tag.output.0) closes what is not open"
      }
    }
    return open.last.map { "<\($0)> is not closed" }
  }
}

extension URL {
  /// The page of a report in this folder, whose elements are all closed.
  func reportPage(at location: SourceLocation = #_sourceLocation) throws -> String {
    let page = try String(contentsOfFile: file("report.html"), encoding: .utf8)
    #expect(Markup.fault(in: page) == nil, sourceLocation: location)
    return page
  }

  /// `report.json` of this folder.
  func reportJSON() throws -> JSON {
    try JSON.parse(Data(contentsOf: URL(filePath: file("report.json"))))
  }
}

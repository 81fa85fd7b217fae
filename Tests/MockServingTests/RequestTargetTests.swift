import HTTPTypes
import MockServing
import TestSupport
import Testing
import TextKeys

@Suite("Request targets and hosts", .timeLimit(.minutes(5))) struct RequestTargetTests {
  @Test(
    "A target is read with its scheme and host, and with letters that need no escape",
    arguments: [
      ("/health", "/health"), ("http://127.0.0.1:3100/health", "/health"),
      ("HTTPS://oracle.example/a/b", "/a/b"), ("http://oracle.example", "/"),
      ("http://oracle.example?q=1", "/"), ("/%68ealth", "/health"), ("/%7e%2D%5f%2e", "/~-_."),
      ("/a%2Fb%20c%25", "/a%2Fb%20c%25"), ("/%6", "/%6"), ("/%zz", "/%zz"), ("/%+1", "/%+1"),
      ("*", "*"), ("/a\u{0301}?x", "/a\u{0301}"), ("/http://a", "/http://a"), ("", "/"),
    ])
  func paths(target: String, path: String) {
    #expect(WebRequest(.get, target).path == path)
  }

  @Test("A query is read behind either form, with its escapes, by bytes")
  func queries() {
    for target in ["/a?q=%41&r=a+b&s=%+1&q\u{0301}=1#x", "http://h/a?q=A&r=a%20b&s=%+1&q%CC%81=1"] {
      #expect(
        WebRequest(.get, target).query == ["q": "A", "r": "a b", "s": "% 1", "q\u{0301}": "1"])
    }
  }

  @Test(
    "A method is the word of the request line",
    arguments: [
      "GET", "PUT", "ACL", "BIND", "M-SEARCH", "MERGE", "MKCALENDAR", "NOTIFY", "PATCH", "PROPFIND",
      "PURGE", "REBIND", "REPORT", "SOURCE", "SUBSCRIBE", "UNSUBSCRIBE",
    ])
  func methods(method: String) async throws {
    try await withWebServer(respond: { .text("of \($0.method.rawValue).") }) {
      address async throws in
      try await RawClient.connected(to: address) { client async throws in
        try await client.send("\(method) / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        let answer = try await client.waitForEnd()
        #expect(answer.hasSuffix("of \(method)."), "\(answer)")
      }
    }
  }

  @Test(
    "HTTP/1.1 without a host, and any version with two or a broken one, is 400",
    arguments: [
      ("1.1", "", 400), ("1.1", "Host: a\r\nHost: a\r\n", 400), ("1.0", "", 200),
      ("1.0", "Host: a\r\nHost: b\r\n", 400), ("1.1", "Host: a\r\nhOST: b\r\n", 400),
      ("1.1", "Host:\r\n", 200), ("1.1", "hoST: 127.0.0.1:3100\r\n", 200),
      ("1.1", "Host: [::1]:1\r\n", 200), ("1.1", "Host: a b\r\n", 400),
      ("1.1", "Host: a/b\r\n", 400), ("1.1", "Host: u@a\r\n", 400),
    ])
  func hosts(version: String, fields: String, status: Int) async throws {
    try await withWebServer(respond: { _ in .text("ok") }) { address async throws in
      for target in ["/", "http://elsewhere/"] {
        try await RawClient.connected(to: address) { client async throws in
          try await client.send(
            "GET \(target) HTTP/\(version)\r\n\(fields)Connection: close\r\n\r\n")
          let answer = try await client.waitForEnd()
          #expect(answer.hasPrefix("HTTP/1.1 \(status) "), "\(target) \(fields) \(answer)")
        }
      }
    }
  }
}

/// A mark that would make one Character of itself and the sign before it.
private let mark = "\u{301}"

@Suite("Texts from outside", .timeLimit(.minutes(5))) struct TextTests {
  @Test("A target is parted by its signs, whatever marks follow them")
  func targets() {
    let request = WebRequest(.get, "/a/\(mark)b?\(mark)x=\(mark)1&\(mark)y=2#\(mark)z")
    #expect(request.path.utf8.elementsEqual("/a/\(mark)b".utf8))
    #expect(request.query.count == 2)
    #expect(request.query["\(mark)x"]?.utf8.elementsEqual("\(mark)1".utf8) == true)
    #expect(request.query["\(mark)y"] == "2")
  }

  @Test("Parameters that are only canonically equal are two")
  func parameters() {
    let request = WebRequest(.get, "/?%C3%A9=1&e%CC%81=2&%E2%84%AA=3&K=4")
    #expect(request.query.count == 4)
    #expect(request.query["\u{e9}"] == "1")
    #expect(request.query["e\u{301}"] == "2")
    #expect(request.query["\u{212a}"] == "3")
  }
}

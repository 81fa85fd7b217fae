import PlumiseWire
import Testing

@Suite("The port of a URL")
struct URLPortTests {
  @Test(
    "It is from 1 to 65535, or not there",
    arguments: [
      ("http://a", true), ("http://a/", true), ("http://a:1", true), ("https://a:65535/x", true),
      ("http://[::1]", true), ("http://[::1]:80/", true), ("http://u:p@a", true),
      ("http://u:99999@a:80?x", true), ("http://a/b:99999", true), ("http://a?b=:99999", true),
      ("http://a:0", false), ("http://a:65536", false), ("http://[::1]:65536", false),
      ("http://a:", false), ("http://a:-1", false), ("http://a:+1", false), ("http://a:8o", false),
      ("http://u:1@a:99999", false), ("http://a:18446744073709551697", false),
      ("http://a:340282366920938463463374607431768211536", false),
    ])
  func range(url: String, isPossible: Bool) {
    #expect(URLPort.isPossible(in: url) == isPossible)
  }
}

import AsyncHTTPClient
package import Foundation
import NIOCore
import NIOHTTP1
package import PlumiseWire
package import Testing

/// A headless Chromium, driven over the WebDriver protocol (W3C WebDriver, and chromedriver's own `goog`
/// commands): JSON over HTTP to a chromedriver of its own.
package struct Browser: Sendable {
  /// What the driver or the page answered in place of a result.
  package struct Failure: Error, CustomStringConvertible {
    package let description: String
  }

  /// The width, the height and the colours of the screen.
  package struct Screen: Sendable, CustomTestStringConvertible {
    let width: Int
    let height: Int
    let isDark: Bool

    package init(width: Int, height: Int, isDark: Bool) {
      self.width = width
      self.height = height
      self.isDark = isDark
    }

    package var testDescription: String { "\(width)-\(isDark ? "dark" : "light")" }
  }

  /// Keys by WebDriver's code points.
  package enum Key: String, Sendable {
    case tab = "\u{E004}"
    case enter = "\u{E007}"
    case space = " "
  }

  private let session: String

  /// Whether tests with a browser are to run: where both programs are, and wherever they are demanded by
  /// `PETALS_E2E_BROWSER=required`, so that they fail there instead of being skipped.
  package static var isWanted: Bool {
    ProcessInfo.processInfo.environment["PETALS_E2E_BROWSER"] == "required"
      || (driver != nil && chromium != nil)
  }

  /// Why tests with a browser are skipped.
  package static let absence: Comment = "chromium or chromedriver is missing: run make deps-browser"

  private static var driver: String? { executable("chromedriver") }
  private static var chromium: String? { executable("chromium") ?? executable("chromium-browser") }

  private static func executable(_ name: String) -> String? {
    let folders = ProcessInfo.processInfo.environment["PATH"]?.split(separator: ":") ?? []
    return folders.map { "\($0)/\(name)" }
      .first { FileManager.default.isExecutableFile(atPath: $0) }
  }

  /// Runs a body with a browser; neither it nor its driver is left afterwards.
  /// - Throws: `Failure` when one of them is missing or does not start; what the body throws.
  package static func with(_ body: (Browser) async throws -> Void) async throws {
    guard let driver, let chromium else { throw Failure(description: "\(absence)") }
    let process = DriverProcess(driver)
    defer { process.end() }
    let root = "http://127.0.0.1:\(try await process.port())"
    let options: JSON = [
      "capabilities": [
        "alwaysMatch": [
          "browserName": "chrome", "goog:loggingPrefs": ["browser": "ALL"],
          "timeouts": ["script": 60_000],
          "goog:chromeOptions": [
            "binary": .string(chromium),
            "args": [
              "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
              "--disable-background-networking", "--disable-component-update", "--no-first-run",
              "--window-size=1440,900",
            ],
          ],
        ]
      ]
    ]
    let answer = try await call("POST", "\(root)/session", options)
    guard let id = answer["sessionId"]?.stringValue else {
      throw Failure(description: "chromedriver made no session: \(answer.text)")
    }
    let browser = Browser(session: "\(root)/session/\(id)")
    do {
      try await body(browser)
    } catch {
      try await browser.quit()
      throw error
    }
    try await browser.quit()
  }

  private func quit() async throws { _ = try await Self.call("DELETE", session) }

  /// Opens a page, and returns once it is loaded.
  package func open(_ url: String) async throws {
    _ = try await command("url", ["url": .string(url)])
  }

  /// Runs the body of a function in the page, whose arguments are `arguments`.
  /// - Returns: What it returns, a promise awaited.
  package func run(_ script: String, _ arguments: JSON...) async throws -> JSON {
    try await command(
      "execute/sync", ["script": .string(script), "args": .array(arguments)])
  }

  /// Waits until an expression is neither false nor empty, and looks again at each change of the page.
  /// - Returns: The expression's value.
  /// - Throws: `Failure` with what the page says instead after a minute.
  @discardableResult
  package func wait(until expression: String) async throws -> JSON {
    let script = """
      const done = arguments[arguments.length - 1];
      const observer = new MutationObserver(look);
      function look() {
        const found = (() => (\(expression)))();
        if (!found) return false;
        observer.disconnect();
        done(found);
        return true;
      }
      if (!look()) {
        observer.observe(document, {
          subtree: true, childList: true, characterData: true, attributes: true });
      }
      """
    do {
      return try await command("execute/async", ["script": .string(script), "args": []])
    } catch {
      let text = try await run("return document.body.innerText")
      throw Failure(description: "never: \(expression): \(error); the page says: \(text.text)")
    }
  }

  /// Presses keys, one after another.
  package func press(_ keys: Key...) async throws { try await type(keys.map(\.rawValue).joined()) }

  /// Types a text where the focus is.
  package func type(_ text: String) async throws {
    let presses = text.flatMap { character -> [JSON] in
      [
        ["type": "keyDown", "value": .string("\(character)")],
        ["type": "keyUp", "value": .string("\(character)")],
      ]
    }
    _ = try await command(
      "actions", ["actions": [["type": "key", "id": "keyboard", "actions": .array(presses)]]])
  }

  /// Makes the page believe that it is shown on a screen.
  package func show(on screen: Screen) async throws {
    try await devTools(
      "Emulation.setDeviceMetricsOverride",
      [
        "width": .integer(screen.width), "height": .integer(screen.height),
        "deviceScaleFactor": 1, "mobile": .bool(screen.width < 600),
      ])
    try await devTools(
      "Emulation.setEmulatedMedia",
      [
        "features": [
          ["name": "prefers-color-scheme", "value": .string(screen.isDark ? "dark" : "light")]
        ]
      ])
  }

  private func devTools(_ name: String, _ parameters: JSON) async throws {
    _ = try await command("goog/cdp/execute", ["cmd": .string(name), "params": parameters])
  }

  /// The page as a picture (PNG), as much of it as the screen shows.
  package func picture() async throws -> Data {
    let text = try await Self.call("GET", "\(session)/screenshot").stringValue ?? ""
    guard let data = Data(base64Encoded: text) else {
      throw Failure(description: "chromedriver gave no picture")
    }
    return data
  }

  /// What was written to the console as an error since the last call.
  package func consoleErrors() async throws -> [String] {
    let log = try await command("se/log", ["type": "browser"])
    return (log.arrayValue ?? []).filter { $0["level"] == "SEVERE" }
      .map { $0["message"]?.stringValue ?? $0.text }
  }

  private func command(_ name: String, _ body: JSON) async throws -> JSON {
    try await Self.call("POST", "\(session)/\(name)", body)
  }

  private static func call(
    _ method: String, _ url: String, _ body: JSON? = nil
  ) async throws -> JSON {
    var request = HTTPClientRequest(url: url)
    request.method = .init(rawValue: method)
    request.headers.add(name: "Content-Type", value: "application/json")
    if let body { request.body = .bytes(ByteBuffer(bytes: body.serialized())) }
    let response = try await HTTPClient.shared.execute(request, timeout: .seconds(120))
    let bytes = try await response.body.collect(upTo: 64 << 20)
    let value = try JSON.parse(Array(bytes.readableBytesView))["value"] ?? .null
    guard response.status == .ok else {
      let message = value["message"]?.stringValue ?? value.text
      throw Failure(description: String(message.prefix(2000)))
    }
    return value
  }
}

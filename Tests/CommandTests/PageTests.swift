import Foundation
import PlumiseWire
import Subprocess
import TestSupport
import Testing

/// The page of `up` in a browser, with the network that it orders about.
@Suite("Page of up", .enabled(if: Browser.isWanted, Browser.absence), .timeLimit(.minutes(5)))
struct PageTests {
  static let up = ["up", "--model", "tiny", "--ports", "auto", "--json"]

  @Test("What is ordered on the page happens in the network, and is seen")
  func orders() async throws {
    let result = try await Command.withService(Self.up) { service in
      let network = try await service.event("up")
      try await Browser.with { browser in
        let page = Page(browser: browser)
        try await page.open(service)
        #expect(
          try await browser.run(
            "return [...document.querySelectorAll('.node')].map(n => n.dataset.node)") == [
              "node-1", "node-2",
            ])
        try await page.checkGeneration(network)
        try await page.checkLinks()
        try await page.checkFaults(network)
        try await page.checkLives(network)
        try await page.checkClock(network)
        // The browser notes the order that is refused: the second one to kill a node.
        let errors = try await browser.consoleErrors().filter { !$0.contains("409 (Conflict)") }
        #expect(errors == [])
      }
      try service.send(.terminate)
    }
    #expect(result.status == .exited(0), "\(result.errors)")
  }

  @Test(
    "The keyboard alone suffices, and everything can be read, on a phone and in the dark as well")
  func access() async throws {
    let result = try await Command.withService(Self.up) { service in
      try await Browser.with { browser in
        let page = Page(browser: browser)
        try await page.open(service)
        try await page.checkKeyboard()
        for screen in Page.screens {
          try await browser.show(on: screen)
          let problems = try await browser.run(PageChecks.script)
          #expect(problems == [], "\(screen.testDescription)")
          try await page.keepPicture(of: screen)
        }
        try await page.checkChecks()
        let errors = try await browser.consoleErrors()
        #expect(errors == [])
      }
      try service.send(.terminate)
    }
    #expect(result.status == .exited(0), "\(result.errors)")
  }
}

/// What tests do on the page.
struct Page {
  static let screens = [390, 1440].flatMap { width in
    [false, true].map { Browser.Screen(width: width, height: 900, isDark: $0) }
  }

  let browser: Browser

  func open(_ service: Service) async throws {
    let line = try await service.lines.next { $0.contains(#""service":"page""#) }
    try await browser.open(try #require(try JSON.parse(line)["url"]?.stringValue))
    try await browser.wait(
      until: "document.getElementById('connection').textContent === 'connected'")
  }

  /// Presses a button by its accessible name.
  private func click(_ label: String) async throws {
    _ = try await browser.run(
      "document.querySelector(`button[aria-label=\"${arguments[0]}\"]`).click()", .string(label))
  }

  /// Generates, and waits until the page says how it ended.
  private func generate(_ tokens: Int) async throws -> String {
    _ = try await browser.run(
      """
      document.getElementById("generation-state").textContent = "asked";
      document.getElementById("max-tokens").value = arguments[0];
      document.querySelector("#generate button").click();
      """, .integer(tokens))
    let state = "document.getElementById('generation-state').textContent"
    let said = try await browser.wait(
      until: "/tokens in|failed/.test(\(state)) && \(state)")
    return said.stringValue ?? ""
  }

  func checkGeneration(_ network: JSON) async throws {
    #expect(try await generate(8).hasPrefix("8 tokens in"))
    let rows = try await browser.run(
      "return [...document.querySelectorAll('#tokens tr')].map(r => [...r.cells].map(c => c.textContent))"
    )
    let tokens = (rows.arrayValue ?? []).reversed()
    let ids = tokens.compactMap {
      $0[0]?.stringValue?.split(separator: " ").last.flatMap { Int64($0) }
    }
    let peers = (network["nodes"]?.arrayValue ?? []).compactMap { $0["peer"]?.stringValue }
    let generated = try await Command.run(
      "generate", "--model", try #require(network["model"]?.stringValue), "--prompt",
      "Explain quantum computing", "--max-new-tokens", "8", "--json", "--peers",
      peers.joined(separator: ","))
    #expect(try generated.json()["generated_ids"]?.arrayValue?.compactMap(\.integerValue) == ids)
    // Without a temperature each token is the one with the highest score.
    #expect(tokens.allSatisfy { $0[2] == "1" })
    for token in tokens {
      let hops = token[3]?.stringValue ?? ""
      #expect(hops.contains(/node-1 [0-9.]+ ms .* → node-2 [0-9.]+ ms/), "\(hops)")
    }
    // That of the command, which did not go through the page, is seen as well.
    try await browser.wait(
      until: """
        [...document.querySelectorAll('#routes li')].filter(
          (route) => /node-1 .* → node-2 .*ended/.test(route.textContent)).length >= 2
        """)
    try await browser.wait(
      until: "/^[1-9]/.test([...document.querySelectorAll('.node dd')][2].textContent)")
  }

  func checkLinks() async throws {
    try await click("Cut the link to node-2")
    try await browser.wait(until: "document.querySelector('[data-node=node-2].away')")
    #expect(try await generate(2).hasPrefix("It failed"))
    try await click("Open the link to node-2")
    try await browser.wait(until: "!document.querySelector('[data-node=node-2].away')")
    #expect(try await generate(2).hasPrefix("2 tokens in"))
    try await click("Slow the link to node-1")
    try await browser.wait(
      until: "document.querySelector('[data-node=node-1]').textContent.includes('slow by 200 ms')")
    #expect(try await generate(2).hasPrefix("2 tokens in"))
    let text = try await browser.run(
      "return document.querySelector('#tokens tr').cells[3].textContent")
    let hop = try #require(text.stringValue?.firstMatch(of: /node-1 ([0-9.]+) ms/))
    #expect(try #require(Double(hop.output.1)) >= 400, "200 ms to the node, and 200 ms back")
    try await click("Open the link to node-1")
    try await browser.wait(
      until: "document.querySelector('[data-node=node-1]').textContent.includes('open')")
  }

  private func switchOn(_ kind: String, of service: String) async throws {
    _ = try await browser.run(
      """
      const choose = (id, value) => {
        const select = document.getElementById(id);
        select.value = value;
        select.dispatchEvent(new Event("input"));
      };
      choose("fault-service", arguments[0]);
      choose("fault-kind", arguments[1]);
      document.querySelector("#fault button").click();
      """, .string(service), .string(kind))
  }

  func checkFaults(_ network: JSON) async throws {
    try await switchOn("every report answered 503", of: "oracle")
    try await browser.wait(until: "document.querySelector('#fault-list button')")
    let admin = try #require(network["oracle_admin"]?.stringValue) + "/admin/faults"
    #expect(try await fetch(admin).json["faults"]?[0]?["status"] == 503)
    let refused =
      "[...document.querySelectorAll('#timeline tr')].some(r => /not accepted/.test(r.textContent))"
    try await browser.wait(until: refused)
    _ = try await browser.run("document.querySelector('#fault-list button').click()")
    try await browser.wait(until: "!document.querySelector('#fault-list button')")
    #expect(try await fetch(admin).json["faults"] == [])
    // One that has met all that it could is listed no more, though nobody took it back.
    try await switchOn("next report answered 503", of: "oracle")
    try await browser.wait(
      until:
        "[...document.querySelectorAll('#timeline tr')].some(r => /oracle used-up/.test(r.textContent))"
    )
    try await browser.wait(until: "!document.querySelector('#fault-list button')")
    // The id of a link's fault has a colon.
    try await switchOn("connections 80 ms later", of: "links")
    try await browser.wait(until: "document.querySelector('#fault-list button')")
    _ = try await browser.run("document.querySelector('#fault-list button').click()")
    try await browser.wait(until: "!document.querySelector('#fault-list button')")
    #expect(
      try await browser.run("return document.getElementById('order-problem').textContent") == "")
    // A request that no fault meets: the journal has it, as a near miss.
    let wrong = try await fetch(
      try #require(network["oracle"]?.stringValue) + "/api/v1/report", json: ["payload": [:]])
    #expect(wrong.status >= 400)
    try await browser.wait(
      until:
        "[...document.querySelectorAll('#oracle tr')].some(r => /near miss/.test(r.textContent))")
    try await browser.wait(
      until:
        "[...document.querySelectorAll('#oracle tr')].some(r => /200 accepted/.test(r.textContent))"
    )
  }

  func checkLives(_ network: JSON) async throws {
    let process = try #require(network["nodes"]?[0]?["pid"]?.integerValue)
    try await click("Kill node-1")
    try await browser.wait(
      until: "document.querySelector('[data-node=node-1] dd').textContent === 'killed'")
    #expect(!ChildProcesses.isAlive(Int32(process)))
    try await click("Kill node-1")
    let problem = "document.getElementById('order-problem').textContent"
    #expect(try await browser.wait(until: problem) == "Not done: node-1 does not run")
    #expect(try await generate(2).hasPrefix("It failed"))
    try await click("Start node-1")
    try await browser.wait(
      until: "document.querySelector('[data-node=node-1] dd').textContent === 'answers'")
    #expect(try await generate(2).hasPrefix("2 tokens in"))
    try await browser.wait(
      until:
        "[...document.querySelectorAll('#agents tr')].every(r => /active/.test(r.cells[2].textContent))"
    )
  }

  func checkClock(_ network: JSON) async throws {
    let chain = try #require(network["chain"]?.stringValue)
    func time() async throws -> UInt64 {
      let block = try await fetchRPC(chain, "eth_getBlockByNumber", ["latest", false]).json
      let text = try #require(block["result"]?["timestamp"]?.stringValue)
      return try #require(UInt64(text.dropFirst(2), radix: 16))
    }
    let before = try await time()
    _ = try await browser.run("document.querySelector('#clock button').click()")
    try await browser.wait(
      until:
        "[...document.querySelectorAll('#timeline tr')].some(r => /moved by 3600/.test(r.textContent))"
    )
    let shown = try await browser.wait(
      until: """
        (() => { const time = document.getElementById('chain-state').textContent.split(' at ')[1];
          return Date.parse(time) / 1000 >= \(before + 3600) && time; })()
        """)
    #expect(shown.stringValue != nil)
    #expect(try await time() >= before + 3600)
  }

  /// Generates and cuts a link by keys, and sees that every control is reached and shows that it is.
  func checkKeyboard() async throws {
    try await browser.press(.tab, .enter)
    #expect(try await browser.run("return document.activeElement.id") == "prompt")
    try await browser.type("more")
    try await browser.press(.tab, .tab, .tab, .enter)
    try await browser.wait(
      until: "/tokens in/.test(document.getElementById('generation-state').textContent)")
    _ = try await browser.run("document.activeElement.blur(); window.reached = new Set()")
    let label = "document.activeElement.getAttribute('aria-label')"
    let controls = try await browser.run(
      "return document.querySelectorAll('a, button:enabled, input, select, textarea, [tabindex=\"0\"]').length"
    )
    for _ in 0..<(2 * (controls.integerValue ?? 0)) {
      try await browser.press(.tab)
      let outline = try await browser.run(
        """
        const at = document.activeElement;
        if (at === document.body) return "body";
        reached.add(at);
        return getComputedStyle(at).outlineStyle;
        """)
      #expect(outline == "body" || outline != "none")
    }
    #expect(
      try await browser.run(
        """
        return [...document.querySelectorAll('a, button:enabled, input, select, textarea, [tabindex="0"]')]
          .filter((control) => !reached.has(control)).map((control) => control.outerHTML);
        """) == [])
    for _ in 0..<(controls.integerValue ?? 0)
    where try await browser.run("return \(label)") != "Cut the link to node-1" {
      try await browser.press(.tab)
    }
    try await browser.press(.space)
    try await browser.wait(until: "document.querySelector('[data-node=node-1].away')")
    #expect(
      try await browser.wait(until: "document.querySelector('[role=status]').textContent")
        .stringValue?.contains("link to node-1 cut") == true)
  }

  /// Sees that the checks find what is wrong with a page that is.
  func checkChecks() async throws {
    _ = try await browser.run(
      """
      const add = (name, text, style) => {
        const element = document.createElement(name);
        element.textContent = text;
        Object.assign(element.style, style);
        document.querySelector("main").append(element);
        return element;
      };
      add("p", "faint", { color: "#8a8a8a", background: "#ffffff" });
      add("button", "", { minHeight: 0, width: "9px", height: "9px", padding: 0 });
      add("h4", "left out", {});
      add("p", "wide", { width: "3000px" }).id = "prompt";
      """)
    let problems = try await browser.run(PageChecks.script)
    let text = (problems.arrayValue ?? []).compactMap(\.stringValue).joined(separator: "\n")
    for problem in [
      "contrast 3.4", "no name", "too small", "left out", "stands twice", "pixels wide",
    ] {
      #expect(text.contains(problem), "\(text)")
    }
  }

  /// Keeps a picture of a page with the build, for people.
  /// - Parameter name: what the page is.
  func keepPicture(of screen: Browser.Screen, as name: String = "page") async throws {
    let folder = URL(filePath: ".build/page-pictures")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try await browser.picture().write(
      to: folder.appending(path: "\(name)-\(screen.testDescription).png"))
  }
}

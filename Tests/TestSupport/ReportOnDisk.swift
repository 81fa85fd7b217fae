package import PlumiseWire
package import Testing

extension JSON {
  /// The same value with each number spelled one way: a browser writes 12 where a report has 12.0.
  package var withPlainNumbers: JSON {
    switch self {
    case .number(let number): .number(JSONNumber(python: number.double))
    case .array(let elements): .array(elements.map(\.withPlainNumbers))
    case .object(let object):
      .object(
        JSONObject(uniqueMembers: object.members.map { ($0.key, $0.value.withPlainNumbers) }))
    case .null, .bool, .string: self
    }
  }
}

/// A `report.html` that a browser has opened, compared with its `report.json`.
package struct ReportOnDisk: Sendable {
  private let browser: Browser

  package init(browser: Browser) { self.browser = browser }

  /// Compares the plot of a distribution: its bars, and how many points its line has.
  package func checkDistribution(
    _ name: String, _ report: JSON, at location: SourceLocation = #_sourceLocation
  ) async throws {
    let bars = try await browser.run(
      """
      return [...document.querySelectorAll(`rect[data-plot="${arguments[0]}"]`)].map((bar) => ({
        from_ms: Number(bar.dataset.from), to_ms: Number(bar.dataset.to),
        count: Number(bar.dataset.count) }));
      """, .string(name))
    #expect(
      bars.withPlainNumbers == report["plots"]?[name]?["histogram"]?.withPlainNumbers
        && bars.arrayValue?.isEmpty == false,
      "\(name): \(bars.text)", sourceLocation: location)
    let points = try await browser.run(
      "return document.querySelector(`[data-cdf=${arguments[0]}]`).points.numberOfItems",
      .string(name))
    #expect(points == 101, sourceLocation: location)
  }

  /// Compares a table of percentiles.
  package func checkPercentiles(
    _ name: String, _ shares: [String], _ report: JSON,
    at location: SourceLocation = #_sourceLocation
  ) async throws {
    for share in shares {
      let shown = try await browser.run(
        """
        return Number(document.querySelector(
          `[data-measure='${arguments[0]}'][data-share='${arguments[1]}']`).textContent)
        """, .string(name), .string(share))
      #expect(
        shown.doubleValue == report[name + "_ms"]?[share]?.doubleValue, "\(name) \(share)",
        sourceLocation: location)
    }
  }

  /// Compares the time line with its bands, the passes and the ledger of a network's history.
  package func checkHistory(
    _ report: JSON, at location: SourceLocation = #_sourceLocation
  ) async throws {
    let marks = try await browser.run(
      """
      return [...document.querySelectorAll("rect[data-lane]")].map((mark) => ({
        lane: mark.dataset.lane, from_ms: Number(mark.dataset.from), to_ms: Number(mark.dataset.to),
        kind: mark.getAttribute("class"), count: Number(mark.dataset.count) }));
      """)
    let line = try #require(report["time_line"], sourceLocation: location)
    let written = (line["marks"]?.arrayValue ?? []).map { mark -> JSON in
      var object = mark.objectValue ?? [:]
      object["text"] = nil
      return .object(object)
    }
    #expect(
      marks.withPlainNumbers == JSON.array(written).withPlainNumbers && !written.isEmpty,
      sourceLocation: location)
    // Every plot with times has them; the time line is the first.
    let bands = try await browser.run(
      """
      return [...document.querySelector("svg:has(rect[data-lane])").querySelectorAll(".band")].map(
        (band) => [band.dataset.part, band.dataset.fault, Number(band.dataset.from)]);
      """)
    let faults = (line["faults"]?.arrayValue ?? []).map { fault -> JSON in
      .array(["part", "fault", "from_ms"].map { fault[$0] ?? .null })
    }
    #expect(
      bands.withPlainNumbers == JSON.array(faults).withPlainNumbers, sourceLocation: location)
    let passes = try await browser.run(
      """
      return [...document.querySelectorAll("circle[data-time]")].map((pass) => ({
        time_ms: Number(pass.dataset.time), milliseconds: Number(pass.dataset.milliseconds),
        ok: pass.dataset.ok === "true" }));
      """)
    #expect(
      passes.withPlainNumbers == report["passes"]?.withPlainNumbers
        && passes.arrayValue?.isEmpty == false, sourceLocation: location)
    let accounts = try await browser.run(
      """
      return [...document.querySelectorAll("tr[data-account]")].map((row) => [row.dataset.account,
        ...[...row.querySelectorAll("[data-column]")].map((cell) => cell.textContent)]);
      """)
    let columns = [
      "node", "served", "reported", "acknowledged", "contributed", "paid_wei", "pending_wei",
    ]
    let ledger = (report["ledger"]?["nodes"]?.arrayValue ?? []).map { node -> JSON in
      .array(
        columns.map { column in
          .string(node[column]?.stringValue ?? node[column]?.text ?? "")
        })
    }
    #expect(accounts == .array(ledger) && !ledger.isEmpty, sourceLocation: location)
    let isBalanced = try await browser.run(
      "return document.querySelector('[data-balanced]').dataset.balanced === 'true'")
    #expect(isBalanced == report["ledger"]?["balanced"], sourceLocation: location)
  }
}

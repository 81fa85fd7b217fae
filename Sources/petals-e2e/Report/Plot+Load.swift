import PlumiseWire
import ReportPages

extension Plot {
  /// The distribution of times: bars of how many lie where, and a line of the share that is
  /// reached.
  /// - Parameters:
  ///   - name: What is measured, `ttft`.
  ///   - distribution: The times, in milliseconds.
  static func distribution(_ name: String, _ distribution: Distribution) -> HTML {
    let p50 = number(distribution.percentile(0.5) ?? 0)
    let p99 = number(distribution.percentile(0.99) ?? 0)
    return self.distribution(
      name, caption: "\(name): \(distribution.values.count) values, p50 \(p50) ms, p99 \(p99) ms",
      bars: distribution.histogram.map { Bar(from: $0.from, to: $0.to, count: $0.count) },
      shares: (0...100).map { step in
        let share = Double(step) / 100
        return (distribution.percentile(share) ?? 0, share)
      })
  }

  /// What happened in each second: requests that succeeded and failed, and their latency.
  static func seconds(_ series: [LoadSecond]) -> [HTML] {
    guard let first = series.first, let last = series.last else { return [] }
    let x = Scale(Double(first.second), Double(last.second + 1), across: true)
    let most = Double(series.map(\.due).max() ?? 1)
    let y = Scale(0, most, across: false)
    let bars = series.map { second -> HTML in
      let (start, end) = (x(Double(second.second)), x(Double(second.second + 1)))
      let (good, all) = (y(Double(second.succeeded)), y(Double(second.due)))
      return """
        <rect class="bar" x="\(start)" y="\(good)" width="\(max(0.5, end - start - 0.5))" \
        height="\(height - bottom - good)" data-second="\(second.second)" \
        data-succeeded="\(second.succeeded)"/>
        <rect class="bad" x="\(start)" y="\(all)" width="\(max(0.5, end - start - 0.5))" \
        height="\(good - all)" data-second="\(second.second)" data-failed="\(second.failed)"/>
        """
    }
    let latest = series.compactMap { $0.latencies.percentile(0.99) }.max() ?? 1
    let milliseconds = Scale(0, latest, across: false)
    func line(_ name: String, _ share: Double) -> HTML {
      let points = series.compactMap { second in
        second.latencies.percentile(share).map {
          "\(x(Double(second.second) + 0.5)),\(milliseconds($0))"
        }
      }
      return """
        <polyline class="\(name)" points="\(points.joined(separator: " "))"/>
        """
    }
    return [
      figure(
        "Requests by the second in which they were due", "\(axes(x, "s", y, "requests"))\n\(bars)"),
      figure(
        "Latency by that second: p50, and p99 above it",
        """
        \(axes(x, "s", milliseconds, "ms"))
        \(line("line", 0.5))
        \(line("line faint", 0.99))
        """),
    ]
  }
}

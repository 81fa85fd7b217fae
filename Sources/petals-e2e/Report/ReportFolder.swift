import Foundation
import SystemErrors

/// The folder that a run writes its report to, checked before the run begins.
struct ReportFolder: Sendable {
  private let url: URL

  /// Makes the folder if need be and writes to it once, so that a run does not do its work in vain.
  /// - Throws: `CommandFailure` (wrong input) that names the folder.
  init(_ path: String) throws {
    url = URL(filePath: path, directoryHint: .isDirectory)
    let probe = url.appending(path: ".petals-e2e-\(UUID().uuidString)")
    do {
      try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
      try Data().write(to: probe, options: .withoutOverwriting)
      try FileManager.default.removeItem(at: probe)
    } catch {
      throw CommandFailure.wrongInput(
        "cannot write to report folder \(path): \(error.systemReason); "
          + "choose another with --report")
    }
  }

  /// Writes `report.json` and `report.html`.
  func write(_ report: FlowReport) throws {
    do {
      try Data((report.json.text + "\n").utf8)
        .write(to: url.appending(path: "report.json"), options: .atomic)
      try Data(ReportPage.render(report).utf8)
        .write(to: url.appending(path: "report.html"), options: .atomic)
    } catch {
      throw CommandFailure.failed(
        "cannot write the report to \(url.path): \(error.systemReason)")
    }
  }

  /// Where a person finds the page.
  var page: String { url.appending(path: "report.html").path }
}

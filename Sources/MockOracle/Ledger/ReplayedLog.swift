/// A log that keeps reports alone: what it held is read once, and handed to whoever asks.
struct ReplayedLog: ReportLog {
  private let log: any ReportLog
  let recovered: [StoredReport]

  init(_ log: any ReportLog) {
    self.log = log
    recovered = log.recovered
  }

  var recoveredRegistrations: [StoredRegistration] { log.recoveredRegistrations }
  var recoveredContributions: [StoredContribution] { log.recoveredContributions }

  func append(_ report: StoredReport, sequence: Int64) async throws {
    try await log.append(report, sequence: sequence)
  }

  func append(_ registration: StoredRegistration) async throws {
    try await log.append(registration)
  }

  func append(_ contribution: StoredContribution) async throws {
    try await log.append(contribution)
  }
}

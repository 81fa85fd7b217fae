/// Makes the registry's tables anew from what was taken, reports and registrations in the order in
/// which they came.
struct RegistryReplay {
  private var tables: OracleRegistry.Tables
  private var registrations: ArraySlice<StoredRegistration>

  /// - Parameter registrations: all that there are, in the order they came.
  init(_ tables: OracleRegistry.Tables, registrations: [StoredRegistration]) {
    self.tables = tables
    self.registrations = registrations[...]
  }

  /// Takes the next report: a node that reported was seen.
  mutating func see(_ report: StoredReport) {
    // The documented dialect has no registry.
    guard report.dialect == .deployed else { return }
    while let next = registrations.first, next.receivedAt <= report.receivedAt { register(next) }
    tables.see(report.agent, at: report.receivedAt)
  }

  /// Takes the registrations that are left.
  mutating func end() -> OracleRegistry.Tables {
    while let next = registrations.first { register(next) }
    return tables
  }

  private mutating func register(_ stored: StoredRegistration) {
    registrations.removeFirst()
    // What was taken once has the right form; a file that somebody changed is read as far as it makes
    // sense.
    guard let registration = try? Registration(stored.kind, stored.body) else { return }
    _ = tables.take(registration, at: stored.receivedAt)
  }
}

/// How much of what came a service keeps that is a program: less than one inside of a test, which may be asked
/// for all of it.
///
/// It is reached within minutes even at a few requests a second, so that a service which goes on growing has a
/// leak.
enum ServiceMemory {
  /// Requests in a journal that nobody can read from outside: those of chain and gateway.
  static let unreadJournal = 1
  /// Requests in the oracle's journal, which its second port shows.
  static let oracleJournal = 1000
  /// About how many bytes these may take.
  static let oracleJournalBytes = 1 << 20
  /// Reports of one agent that the oracle keeps with their proofs.
  ///
  /// A proof that comes again is known for as long; its reporter sends it again with one of the next reports.
  static let reportsPerAgent = 250
}

/// What is wrong with a body, fault by fault, up to a number that no honest body comes near.
///
/// A body of 1 MiB can hold half a million faults, and each costs a hundred times its bytes in the
/// answer and in the journal: beyond the limit a body is read no further.
struct FieldFaults {
  /// The most faults that are told of one body.
  static let limit = 1000

  private(set) var all: [FieldFault] = []

  /// Whether no more are taken.
  var isFull: Bool { all.count >= Self.limit }

  mutating func add(_ path: @autoclosure () -> String, _ message: @autoclosure () -> String) {
    guard !isFull else { return }
    all.append(FieldFault(path: path(), message: message()))
  }
}

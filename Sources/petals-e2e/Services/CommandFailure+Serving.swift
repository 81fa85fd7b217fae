import MockServing
import PetalsNode

extension CommandFailure {
  /// Runs a service; a port or host that cannot be listened on is wrong input.
  static func serving<R>(_ body: () async throws -> R) async throws -> R {
    do {
      return try await body()
    } catch let error as ServingError {
      throw wrongInput("\(error)")
    } catch let error as NodeStartError {
      switch error {
      case .portInUse, .cannotListen: throw wrongInput("\(error)")
      case .selfTestFailed, .alreadyRan, .stopped: throw failed("\(error)")
      }
    }
  }
}

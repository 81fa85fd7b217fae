public import EthereumPrimitives

/// Why a report was not accepted.
public enum RejectionReason: Error, Sendable, Hashable, CustomStringConvertible {
  /// The body is longer than the dialect allows.
  case tooLarge(limit: Int)
  /// The body's charset or content encoding is not read; says which.
  case unsupportedMedia(String)
  /// The body cannot be unpacked; says why.
  case undecodable(String)
  /// A form has more parameters than are read.
  case tooManyParameters
  /// The body is not JSON.
  case malformed(String)
  /// Fields are missing, of the wrong type or out of range.
  case invalid([FieldValidationError])
  /// The API key is wrong, or none is configured.
  case wrongAPIKey
  /// The signature is by another key, or of another text.
  case wrongSigner(recovered: Address, claimed: Address)
  /// The signature cannot be read.
  case malformedSignature(String)
  /// The timestamp lies too far from now.
  case outsideWindow(timestamp: String, now: Int64, limit: Duration)
  /// The agent is not registered on chain.
  case unregistered(Address)
  /// Whether the agent is registered cannot be found out.
  case registrationUnknown(Address, reason: String)
  /// Which epoch to account the report to cannot be found out.
  case epochUnknown(reason: String)
  /// The timestamp is not above the last one that was accepted.
  case replay(timestamp: Int64, last: Int64)
  /// More tokens than the oracle takes.
  case tooManyTokens(Double)
  /// A number that must be whole to be accounted, and is not.
  case notWhole(field: String)
  /// The report could not be kept.
  case notStored(String)
  /// The agent reports more often than it may; after how many seconds it may again.
  case tooManyReports(Address, retryAfter: Int64)
  /// A registration's timestamp is not above that of the last one that was accepted.
  case registrationReplay(timestamp: Double, last: Double)
  /// A node would join a pipeline with one endpoint for two protocols.
  case sameEndpoints
  /// Every layer of the model has a node already.
  case pipelineFull(layers: Int)
  /// The node that says it is ready is in no pipeline of the model.
  case pipelineNodeNotFound(Address, model: String)
  /// The oracle could not register the node on the chain.
  case sponsoringFailed(Address, reason: String)
  /// The oracle registered the node on the chain, where it is not found all the same.
  case sponsoringIneffective(Address)

  /// What happened, with the values that made it happen.
  public var description: String {
    switch self {
    case .tooLarge(let limit): "the body is longer than \(limit) bytes"
    case .unsupportedMedia(let reason), .undecodable(let reason): reason
    case .tooManyParameters: "too many parameters"
    case .malformed(let reason): "the body is not JSON: \(reason)"
    case .invalid(let faults): faults.map(\.description).joined(separator: "; ")
    case .wrongAPIKey: "the x-api-key header does not hold the configured key"
    case .wrongSigner(let recovered, let claimed):
      "signature recovers to \(recovered) but agent says \(claimed)"
    case .malformedSignature(let reason): "signature cannot be read: \(reason)"
    case .outsideWindow(let timestamp, let now, let limit):
      "timestamp \(timestamp) is more than \(limit) away from now (\(now))"
    case .unregistered(let agent): "agent \(agent) is not registered on chain"
    case .registrationUnknown(let agent, let reason):
      "whether agent \(agent) is registered cannot be found out: \(reason)"
    case .epochUnknown(let reason): "the current epoch cannot be found out: \(reason)"
    case .replay(let timestamp, let last):
      "timestamp \(timestamp) is not above the last accepted one, \(last)"
    case .tooManyTokens(let count): "\(count) tokens are more than the oracle takes"
    case .notWhole(let field): "\(field) is not a whole number"
    case .notStored(let reason): "the report could not be stored: \(reason)"
    case .tooManyReports(let agent, let seconds):
      "agent \(agent) reports too often; again in \(seconds) s"
    case .registrationReplay(let timestamp, let last):
      "timestamp \(timestamp) is not above the last accepted one, \(last)"
    case .sameEndpoints: "grpcEndpoint and httpEndpoint are the same"
    case .pipelineFull(let layers): "each of the \(layers) layers has a node already"
    case .pipelineNodeNotFound(let agent, let model):
      "node \(agent) is in no pipeline of \(model)"
    case .sponsoringFailed(let agent, let reason):
      "agent \(agent) could not be registered on chain: \(reason)"
    case .sponsoringIneffective(let agent):
      "agent \(agent) was registered on chain, and is not found there"
    }
  }
}

extension RejectionReason {
  /// The description, with the first of many errors only.
  var shortDescription: String {
    guard case .invalid(let faults) = self, faults.count > 5 else { return description }
    return faults.prefix(5).map(\.description).joined(separator: "; ")
      + "; and \(faults.count - 5) more"
  }

  /// About how many bytes of memory it takes.
  var byteCount: Int {
    switch self {
    case .invalid(let faults):
      faults.reduce(64) { $0 + $1.path.utf8.count + $1.message.utf8.count + 96 }
    default: 64 + description.utf8.count
    }
  }
}

/// What is wrong with one field of a body.
public struct FieldValidationError: Sendable, Hashable, CustomStringConvertible {
  /// Where it stands: `payload.timestamp`, `payload.proofs.0.tokenCount`.
  public let path: String
  /// What is wrong with it.
  public let message: String

  /// The message, with the path in front where it is not in it already.
  public var description: String {
    message.contains(path) ? message : "\(path): \(message)"
  }
}

/// The validation errors of a body, up to a number that no honest body comes near.
///
/// A body of 1 MiB can hold half a million errors, and each costs a hundred times its bytes in the
/// answer and in the journal: beyond the limit a body is read no further.
struct FieldValidationErrors {
  /// The most errors that are reported of one body.
  static let limit = 1000

  private(set) var all: [FieldValidationError] = []

  /// Whether no more are taken.
  var isFull: Bool { all.count >= Self.limit }

  mutating func add(_ path: @autoclosure () -> String, _ message: @autoclosure () -> String) {
    guard !isFull else { return }
    all.append(FieldValidationError(path: path(), message: message()))
  }
}

import EthereumPrimitives
import HTTPTypes
import MockServing
import PlumiseWire

/// An answer on its way out, with what the journal is to hold about it.
struct Reply {
  var response: WebResponse
  var outcome: OracleEntry.Outcome
  var agent: Address?
  var dialect: ReportDialect?
  var notes: [String] = []

  /// Why a report was not taken, when that is what the answer says.
  var refusal: Refusal? {
    if case .refused(let refusal) = outcome { refusal } else { nil }
  }

  /// An answer to a read.
  static func served(
    _ json: JSON, status: HTTPResponse.Status = .ok, dialect: ReportDialect? = nil
  ) -> Reply {
    Reply(
      response: .json(json.serialized(), status: status), outcome: .served, dialect: dialect)
  }
}

import NIOCore

/// What a load test asks of a service, again and again.
protocol LoadWork: Sendable {
  /// What one request is, in words.
  var name: String { get }

  /// The request of a number, from 0.
  func request(_ index: Int) throws -> LoadRequest

  /// Why an answer is not the one hoped for; nil when it is.
  func refusal(status: UInt, body: ByteBuffer) -> String?
}

/// One POST of JSON.
struct LoadRequest: Sendable {
  let path: String
  let body: [UInt8]
}

import Bloom
import Foundation
import GRPCCore
import GRPCNIOTransportHTTP2
import PetalsNode
import PipelineRPC

/// A client that sends what no client of ours would: it speaks the generated code alone.
func withRawClient<Result: Sendable>(
  of node: PetalsNode,
  _ body: (GRPCClient<HTTP2ClientTransport.Posix>) async throws -> Result
) async throws -> Result {
  let address = try node.boundAddress
  return try await withGRPCClient(
    transport: .http2NIOPosix(
      target: .ipv4(address: address.host, port: address.port), transportSecurity: .plaintext)
  ) { try await body($0) }
}

extension Plumise_Petals_Tensor {
  /// A tensor whose parts need not agree.
  init(
    _ shape: [Int64], type: Plumise_Petals_DataType = .float32, values: [Float]? = nil,
    bytes: Int? = nil
  ) {
    self.init()
    self.shape = shape
    dtype = type
    let count = Int(shape.reduce(1, *))
    let values = values ?? Array(repeating: 0.5, count: max(0, min(count, 1 << 20)))
    data = values.withUnsafeBytes { Data($0) }
    if let bytes { data = Data(count: bytes) }
  }
}

import NIOCore
import PlumiseWire

/// Generations of eight tokens through a node's HTTP interface.
struct NodeLoad: LoadWork {
  static let path = "/api/v1/generate"

  let name = "generations of 8 tokens"

  func request(_ index: Int) throws -> LoadRequest {
    let body: JSON = [
      "inputs": .string("Explain quantum computing, part \(index + 1)"),
      "parameters": ["max_new_tokens": 8, "do_sample": false],
    ]
    return LoadRequest(path: Self.path, body: body.serialized())
  }

  func refusal(status: UInt, body: ByteBuffer) -> String? {
    status == 200 ? nil : "status \(status): \(String(buffer: body).prefix(120))"
  }
}

import Foundation
import PetalsNode
import PipelineRPC
import Testing

@Suite("Tensors on the wire", .timeLimit(.minutes(5)))
struct WireTensorTests {
  @Test("float32 is little-endian and comes back bit for bit")
  func float32() throws {
    let values: [Float] = [1, -2.5, .leastNonzeroMagnitude, .greatestFiniteMagnitude, 0]
    let bytes = TensorBytes.encode(values, as: .float32)
    #expect(Array(bytes.prefix(8)) == [0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0])
    #expect(try TensorBytes.decode(bytes, as: .float32, count: 5) == values)
  }

  @Test("float16 is little-endian and rounds to nearest")
  func float16() throws {
    let bytes = TensorBytes.encode([1, -2.5, 1.0009765625 + 0.0001], as: .float16)
    #expect(Array(bytes) == [0, 0x3c, 0, 0xc1, 1, 0x3c])
    #expect(
      try TensorBytes.decode(bytes, as: .float16, count: 3) == [1, -2.5, 1.0009765625])
  }

  @Test("Bytes that start anywhere in memory are read")
  func unaligned() throws {
    let bytes = Data([9]) + TensorBytes.encode([3, 4], as: .float32)
    #expect(try TensorBytes.decode(bytes.dropFirst(), as: .float32, count: 2) == [3, 4])
  }

  @Test(
    "Peers are read as host and port",
    arguments: [
      ("127.0.0.1:31330", "127.0.0.1", 31330), ("node-a:1", "node-a", 1),
      ("[::1]:65535", "::1", 65535),
    ])
  func peers(text: String, host: String, port: Int) throws {
    let peer = try PeerAddress(parsing: text)
    #expect(peer.host == host && peer.port == port)
    #expect(peer.description == text)
  }

  @Test(
    "What is no peer is refused",
    arguments: ["", "host", "host:", "host:0", "host:65536", ":80", "::1:80", "a b:80", "host:x"])
  func noPeers(text: String) {
    #expect(throws: PeerAddressError.self) { try PeerAddress(parsing: text) }
  }

  @Test("A value that is not finite in the format of the answer is found before it is sent")
  func notFinite() throws {
    func first(_ values: [Float], _ type: TensorDataType) throws -> Int? {
      let shape = try TensorShape(dimensions: [1, Int64(values.count)], hidden: values.count)
      return WireTensor(shape: shape, type: type, values: values).firstNotFinite
    }
    #expect(try first([1, 65_504, -65_519], .float16) == nil)
    #expect(try first([1, 65_520], .float16) == 1)
    #expect(try first([-1e30, 1], .float16) == 0)
    #expect(try first([1, -1e30], .float32) == nil)
    for type in TensorDataType.allCases {
      #expect(try first([1, 2, .nan], type) == 2)
      #expect(try first([-.infinity, 2], type) == 0)
    }
  }
}

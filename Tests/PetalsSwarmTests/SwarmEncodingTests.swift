import Foundation
import PetalsSwarm
import SwiftProtobuf
import TestVectors
import Testing

@Suite("Swarm encodings")
struct SwarmEncodingTests {
  private let vectors: SwarmVectors

  init() throws { vectors = try SwarmVectors.load() }

  @Test("A peer's name is hivemind's, both ways")
  func peerNames() throws {
    let peer = try PeerID(parsing: vectors.peer.text)
    #expect(peer.bytes.hex == vectors.peer.bytes)
    #expect(PeerID(bytes: [UInt8](hex: vectors.peer.bytes)).description == vectors.peer.text)
    for text in ["", "0", "12D3KooW", vectors.peer.text + "l", String(repeating: "z", count: 4000)]
    {
      #expect(throws: PeerIDError.self) { try PeerID(parsing: text) }
    }
  }

  @Test("Keys have hivemind's places")
  func keys() {
    #expect(!vectors.keys.isEmpty)
    for key in vectors.keys { #expect(DHTID(of: .string(key.key)).description == key.id) }
  }

  @Test("Descriptors have hivemind's bytes, both ways")
  func descriptors() throws {
    let cases = [
      ("hidden", TensorDescriptor(sizes: [2048, 64], dtype: "float32")),
      ("order", TensorDescriptor(sizes: [], dtype: "int64")),
    ]
    for (name, descriptor) in cases {
      let bytes = try #require(vectors.descriptor[name])
      let read = try TensorDescriptor(try MessagePackValue(decoding: [UInt8](hex: bytes)))
      #expect(read == descriptor)
      #expect(
        fields(descriptor.message) == fields(try MessagePackValue(decoding: [UInt8](hex: bytes))))
    }
    for wrong: MessagePackValue in [
      .null, .extension(type: 0x51, payload: []), .extension(type: 0x51, payload: [0x80]),
    ] {
      #expect(throws: SwarmMessageError.self) { try TensorDescriptor(wrong) }
    }
  }

  /// The entries of an extension's map, in any order: Python's readers take them by their names.
  private func fields(_ value: MessagePackValue) -> Set<MessagePackValue.Entry>? {
    guard case .extension(_, let payload) = value,
      case .map(let entries) = try? MessagePackValue(decoding: payload)
    else { return nil }
    return Set(entries)
  }

  @Test("Dictionaries of the hash table are read, and written with hivemind's bytes")
  func dictionaries() throws {
    let sorted = try #require(vectors.dictionary["sorted"])
    for bytes in [sorted, try #require(vectors.dictionary["as stored"])] {
      let dictionary = try DHTDictionary(try MessagePackValue(decoding: [UInt8](hex: bytes)))
      #expect(dictionary.values.count == 2)
      #expect(dictionary.latestExpiration == 2_000_000_000.5)
      #expect(dictionary.message.encoded.hex == sorted)
    }
  }

  @Test("A server's record has Petals' bytes, both ways")
  func serverRecords() throws {
    let bytes = try #require(vectors.server["record"])
    let record = try ServerRecord(try MessagePackValue(decoding: [UInt8](hex: bytes)))
    #expect(record.state == .online)
    #expect(record.blocks == 0..<12)
    #expect(record.inferenceRPS == 25)
    #expect(record.cacheTokensLeft == 4096)
    #expect(record.nextPings == [try PeerID(parsing: vectors.peer.text): 0.25])
    #expect(record.message.encoded.hex == bytes)
  }

  @Test("Each codec's tensors are read as hivemind reads them")
  func tensorsRead() throws {
    let tensors = vectors.tensors
    let cases = [
      ("none", tensors.none), ("float16", tensors.float16), ("bfloat16", tensors.bfloat16),
      ("half", tensors.half), ("empty", tensors.empty),
    ]
    for (name, tensor) in cases {
      let array = try SwarmTensor(serializedBytes: [UInt8](hex: tensor.message)).array()
      #expect(try array.real(name).map(Double.init) == tensor.values, "\(name)")
    }
    let whole = try SwarmTensor(serializedBytes: [UInt8](hex: tensors.int64.message)).array()
    #expect(whole == SwarmArray([4], whole: tensors.int64.values.map { Int64($0) }))
    let blockwise = try SwarmTensor(serializedBytes: [UInt8](hex: tensors.blockwise.message))
      .array()
    for (value, expected) in zip(try blockwise.real("blockwise"), tensors.blockwise.values) {
      #expect(abs(Double(value) - expected) <= 1e-6 * abs(expected))
    }
  }

  @Test("Tensors are written with hivemind's bytes")
  func tensorsWritten() throws {
    let values = vectors.tensors.values.map(Float.init)
    let array = SwarmArray([1, 5, 64], values)
    for (codec, golden) in [
      (TensorCodec.none, vectors.tensors.none), (.float16, vectors.tensors.float16),
    ] {
      let bytes: [UInt8] = try SwarmTensor(array, codec: codec).serializedBytes()
      #expect(bytes.hex == golden.message, "\(codec)")
    }
    let order = SwarmArray([4], whole: [2, 0, -1, 1 << 40])
    let bytes: [UInt8] = try SwarmTensor(order, codec: .float16).serializedBytes()
    #expect(bytes.hex == vectors.tensors.int64.message)
  }

  @Test("BLOCKWISE_8BIT uses bitsandbytes' table, and its nearest values")
  func blockwise() throws {
    let golden = vectors.tensors.blockwise
    let tensor = try SwarmTensor(
      SwarmArray([5000], golden.input.map(Float.init)), codec: .blockwise8Bit)
    let expected = try SwarmTensor(serializedBytes: [UInt8](hex: golden.message))
    #expect(tensor.buffer.count == expected.buffer.count)
    #expect(tensor.buffer.prefix(24) == expected.buffer.prefix(24))
    let read = try tensor.array().real("blockwise")
    for (value, expected) in zip(read, golden.values) {
      #expect(abs(Double(value) - expected) <= 1e-5, "the place of another value was chosen")
    }
    let zeros = try SwarmTensor(SwarmArray([3], [0, 0, 0]), codec: .blockwise8Bit).array()
    #expect(zeros == SwarmArray([3], [0, 0, 0]))
  }

  @Test("A tensor's pieces are hivemind's, and come together again")
  func pieces() throws {
    let tensor = try SwarmTensor(serializedBytes: [UInt8](hex: vectors.tensors.none.message))
    let pieces = tensor.pieces(500)
    #expect(
      try pieces.map { try $0.serializedBytes() as [UInt8] }.map(\.hex) == vectors.tensors.pieces)
    var parts = TensorPieces(limit: 10_000)
    for piece in pieces { try parts.add(piece) }
    #expect(try parts.whole().map(\.buffer) == [tensor.buffer])
    var tooMany = TensorPieces(limit: 1000)
    #expect(throws: SwarmMessageError.self) { for piece in pieces { try tooMany.add(piece) } }
    var unfinished = TensorPieces(limit: 10_000)
    try unfinished.add(pieces[0])
    #expect(throws: SwarmMessageError.self) { try unfinished.whole() }
    #expect(throws: SwarmMessageError.self) { try unfinished.add(pieces[0]) }
  }

  @Test("Messages have hivemind's bytes, both ways")
  func messages() throws {
    func check<M: Message>(_ name: String, _: M.Type, _ test: (M) throws -> Void = { _ in }) throws
    {
      let golden = try #require(vectors.messages[name])
      let message = try M(serializedBytes: [UInt8](hex: golden))
      let bytes: [UInt8] = try message.serializedBytes()
      #expect(bytes.hex == golden, "\(name)")
      try test(message)
    }
    try check("request", SwarmExpertRequest.self) { request in
      #expect(request.uid == "tiny-petals.0 tiny-petals.1")
      #expect(request.tensors.map(\.size) == [[1, 2, 4], [0], [0]])
      #expect(Array(request.metadata).hex == vectors.messages["metadata"])
    }
    try check("control", P2PDRequest.self) { #expect($0.type == .streamOpen) }
    try check("call", P2PDPersistentRequest.self)
    try check("ping", SwarmPingRequest.self) { #expect($0.validate) }
    try check("store", SwarmStoreRequest.self) { #expect($0.expirationTime == [1.5]) }
    try check("find", SwarmFindRequest.self) { #expect($0.keys.count == 2) }
    try check("result", SwarmFindResponse.self) { #expect($0.results.first?.type == .foundRegular) }
  }

  @Test(
    "A tensor that cannot be is refused in words",
    arguments: [
      ("MEANSTD_16BIT is not supported", 1, "float32", [4], 16),
      ("QUANTILE_8BIT is not supported", 3, "float32", [4], 16),
      ("number 77 is not supported", 77, "float32", [4], 16),
      ("\"complex64\" is not supported", 0, "complex64", [4], 16),
      ("15 bytes do not make", 0, "float32", [4], 15),
      ("0 bytes do not make", 2, "float32", [4], 0),
      ("do not make 4 numbers", 5, "float32", [4], 16),
      ("more than", 0, "float32", [1 << 40, 1 << 40], 0),
      ("more than", 0, "float32", [1 << 29], 0),
      ("9 sizes", 0, "float32", Array(repeating: 1, count: 9), 4),
      ("int64 goes without a codec", 2, "int64", [4], 32),
    ] as [(String, Int, String, [Int], Int)])
  func refusedTensors(words: String, codec: Int, type: String, size: [Int], bytes: Int) throws {
    var tensor = SwarmTensor()
    tensor.compression = SwarmCompression(rawValue: codec) ?? .none
    tensor.dtype = type
    tensor.size = size.map { UInt64($0) }
    tensor.buffer = Data(count: bytes)
    let error = #expect(throws: SwarmMessageError.self) { try tensor.array() }
    #expect(error?.description.contains(words) == true, "\(error?.description ?? "none")")
  }
}

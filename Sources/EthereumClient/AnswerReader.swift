import EthereumPrimitives
import PlumiseWire

/// Reads an answer's values, and says what is wrong with them.
struct AnswerReader {
  let json: JSON
  let method: String
  private let path: String

  init(_ json: JSON, method: String) {
    self.init(json, method: method, path: "result")
  }

  private init(_ json: JSON, method: String, path: String) {
    self.json = json
    self.method = method
    self.path = path
  }

  private func failure(_ expected: String) -> ChainError {
    let text = json.text
    let shown = text.count > 80 ? text.prefix(80) + "…" : text[...]
    return .malformedAnswer(method: method, reason: "\(path) should be \(expected), not \(shown)")
  }

  /// A field of an object.
  subscript(name: String) -> AnswerReader {
    AnswerReader(json[name] ?? .null, method: method, path: "\(path).\(name)")
  }

  /// Nil for null, else what is read.
  func optional<T>(_ read: (AnswerReader) throws -> T) rethrows -> T? {
    json.isNull ? nil : try read(self)
  }

  func array<T>(_ read: (AnswerReader) throws -> T) throws -> [T] {
    guard let values = json.arrayValue else { throw failure("a list") }
    return try values.enumerated().map { index, value in
      try read(AnswerReader(value, method: method, path: "\(path)[\(index)]"))
    }
  }

  func string() throws -> String {
    guard let text = json.stringValue else { throw failure("text") }
    return text
  }

  func bool() throws -> Bool {
    guard let value = json.boolValue else { throw failure("true or false") }
    return value
  }

  func word() throws -> Word {
    do { return try Quantity.decode(string()) } catch { throw failure("a quantity") }
  }

  func uint64() throws -> UInt64 {
    guard let value = try word().exactUInt64() else { throw failure("a quantity of 64 bits") }
    return value
  }

  /// The height of a block; none is so high that 64 bits with a sign do not hold it.
  func blockNumber() throws -> UInt64 {
    let height = try uint64()
    guard height <= UInt64(Int64.max) else { throw failure("the height of a block") }
    return height
  }

  func bytes() throws -> [UInt8] {
    do { return try Hex.decode(string()) } catch { throw failure("hexadecimal bytes") }
  }

  func address() throws -> Address {
    do { return try Address(string()) } catch { throw failure("an address") }
  }

  func hash() throws -> Hash32 {
    do { return try Hash32(string()) } catch { throw failure("a hash of 32 bytes") }
  }
}

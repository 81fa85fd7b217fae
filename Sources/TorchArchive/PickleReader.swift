/// The instructions of a tensor's pickle, by their names in Python's `pickletools`.
enum PickleOpcode: UInt8 {
  case proto = 0x80
  case mark = 0x28
  case stop = 0x2e
  case global = 0x63
  case binaryText = 0x58
  case binaryPut = 0x71
  case binaryPersistentID = 0x51
  case integer8 = 0x4b
  case integer16 = 0x4d
  case integer32 = 0x4a
  case tuple = 0x74
  case emptyTuple = 0x29
  case tuple1 = 0x85
  case tuple2 = 0x86
  case tuple3 = 0x87
  case newTrue = 0x88
  case newFalse = 0x89
  case reduce = 0x52

  /// Python's name of it.
  var name: String {
    switch self {
    case .proto: "PROTO"
    case .mark: "MARK"
    case .stop: "STOP"
    case .global: "GLOBAL"
    case .binaryText: "BINUNICODE"
    case .binaryPut: "BINPUT"
    case .binaryPersistentID: "BINPERSID"
    case .integer8: "BININT1"
    case .integer16: "BININT2"
    case .integer32: "BININT"
    case .tuple: "TUPLE"
    case .emptyTuple: "EMPTY_TUPLE"
    case .tuple1: "TUPLE1"
    case .tuple2: "TUPLE2"
    case .tuple3: "TUPLE3"
    case .newTrue: "NEWTRUE"
    case .newFalse: "NEWFALSE"
    case .reduce: "REDUCE"
    }
  }
}

/// Reads a pickle instruction by instruction; what is not the expected one is refused.
struct PickleReader {
  /// Names longer than this are cut in an error.
  private static let longestName = 80

  private let bytes: ArraySlice<UInt8>
  private var position: Int
  /// The memo's size: each value that Python may need again gets the next number.
  private var memo = 0

  init(_ bytes: ArraySlice<UInt8>) {
    self.bytes = bytes
    position = bytes.startIndex
  }

  /// Bytes read so far.
  var offset: Int { position - bytes.startIndex }

  mutating func expect(_ opcode: PickleOpcode) throws(TorchArchiveError) {
    guard let byte = bytes[position...].first else {
      throw error("it ends where \(opcode.name) is expected")
    }
    guard byte == opcode.rawValue else {
      let name = PickleOpcode(rawValue: byte)?.name ?? "0x" + String(byte, radix: 16)
      throw error("opcode \(name) where \(opcode.name) is expected")
    }
    position += 1
  }

  mutating func expect(_ opcode: PickleOpcode, argument: UInt8) throws(TorchArchiveError) {
    try expect(opcode)
    let actual = try take(1)[position - 1]
    guard actual == argument else {
      throw error("\(opcode.name) \(actual) where \(argument) is expected")
    }
  }

  /// The number under which the value before it is remembered.
  mutating func expectMemo() throws(TorchArchiveError) {
    try expect(.binaryPut)
    let number = try take(1)[position - 1]
    guard Int(number) == memo else {
      throw error("BINPUT \(number) where \(memo) is expected")
    }
    memo += 1
  }

  /// A name of a module's, which is compared and never looked up.
  mutating func expectGlobal(_ module: String, _ name: String) throws(TorchArchiveError) {
    let actual = try global()
    guard actual == "\(module) \(name)" else {
      throw error("it names \(actual.escaped) where \(module) \(name) is expected")
    }
  }

  /// `(storage, class, key, location, count)`, and returns the count.
  ///
  /// Here a tensor of another type differs, so the error names the type.
  mutating func persistentStorage() throws(TorchArchiveError) -> Int {
    try expect(.mark)
    try expectText("storage")
    let type = try global()
    guard type == "torch BFloat16Storage" else {
      throw error("the tensor has a \(type.escaped), where a torch BFloat16Storage is expected")
    }
    try expectText("0")
    try expectText("cpu")
    let count = try integer()
    try expect(.tuple)
    try expectMemo()
    try expect(.binaryPersistentID)
    return count
  }

  /// An integer from 0 to 2³¹ − 1.
  mutating func integer() throws(TorchArchiveError) -> Int {
    guard let value = try integerIfAny() else {
      throw error("an integer from 0 to 2147483647 is expected")
    }
    return value
  }

  /// A tuple of one to three integers.
  mutating func integers() throws(TorchArchiveError) -> [Int] {
    var values: [Int] = []
    while values.count < 3, let value = try integerIfAny() { values.append(value) }
    switch values.count {
    case 1: try expect(.tuple1)
    case 2: try expect(.tuple2)
    case 3: try expect(.tuple3)
    default: throw error("a tuple of one to three integers is expected")
    }
    try expectMemo()
    return values
  }

  /// True or false; which, is of no interest to who reads the numbers.
  mutating func expectBoolean() throws(TorchArchiveError) {
    if bytes[position...].first == PickleOpcode.newTrue.rawValue {
      position += 1
    } else {
      try expect(.newFalse)
    }
  }

  func expectEnd() throws(TorchArchiveError) {
    guard position == bytes.endIndex else {
      throw error("\(bytes.endIndex - position) bytes follow STOP")
    }
  }

  /// Python writes each integer in the shortest of three ways.
  private mutating func integerIfAny() throws(TorchArchiveError) -> Int? {
    guard let opcode = bytes[position...].first.flatMap(PickleOpcode.init) else { return nil }
    let width: Int
    switch opcode {
    case .integer8: width = 1
    case .integer16: width = 2
    case .integer32: width = 4
    default: return nil
    }
    position += 1
    let value = try take(width).reversed().reduce(0) { $0 << 8 | Int($1) }
    guard value <= Int(Int32.max) else { throw error("an integer below 0") }
    return value
  }

  private mutating func expectText(_ expected: String) throws(TorchArchiveError) {
    try expect(.binaryText)
    let length = try take(4).reversed().reduce(0) { $0 << 8 | Int($1) }
    let text = try take(length)
    guard text.elementsEqual(expected.utf8) else {
      throw error("\(text.prefix(Self.longestName).printable) where \"\(expected)\" is expected")
    }
    try expectMemo()
  }

  private mutating func global() throws(TorchArchiveError) -> String {
    try expect(.global)
    let module = try line()
    let name = try line()
    try expectMemo()
    return "\(module) \(name)"
  }

  private mutating func line() throws(TorchArchiveError) -> String {
    guard let end = bytes[position...].prefix(Self.longestName).firstIndex(of: UInt8(ascii: "\n"))
    else { throw error("a name of at most \(Self.longestName) bytes is expected") }
    defer { position = end + 1 }
    return String(decoding: bytes[position..<end], as: UTF8.self)
  }

  private mutating func take(_ count: Int) throws(TorchArchiveError) -> ArraySlice<UInt8> {
    guard count <= bytes.endIndex - position else {
      throw error("it ends in the middle of an instruction")
    }
    defer { position += count }
    return bytes[position..<position + count]
  }

  private func error(_ reason: String) -> TorchArchiveError {
    .pickle(offset: offset, reason)
  }
}

/// Writes a pickle instruction by instruction, and numbers the memo as Python does.
struct PickleWriter {
  private(set) var bytes: [UInt8] = []
  private var memo: UInt8 = 0

  mutating func put(_ opcode: PickleOpcode, _ arguments: UInt8...) {
    bytes.append(opcode.rawValue)
    bytes += arguments
  }

  /// An instruction whose value Python remembers.
  mutating func putMemoized(_ opcode: PickleOpcode) {
    put(opcode)
    put(.binaryPut, memo)
    memo += 1
  }

  mutating func putGlobal(_ module: String, _ name: String) {
    put(.global)
    bytes += "\(module)\n\(name)\n".utf8
    put(.binaryPut, memo)
    memo += 1
  }

  mutating func putText(_ text: String) {
    put(.binaryText)
    appendLittleEndian(UInt32(text.utf8.count))
    bytes += text.utf8
    put(.binaryPut, memo)
    memo += 1
  }

  /// The shortest of Python's three ways.
  mutating func putInteger(_ value: Int) {
    if let value = UInt8(exactly: value) {
      put(.integer8, value)
    } else if let value = UInt16(exactly: value) {
      put(.integer16)
      appendLittleEndian(value)
    } else {
      put(.integer32)
      appendLittleEndian(Int32(value))
    }
  }

  /// - Precondition: there are one to three.
  mutating func putIntegers(_ values: [Int]) {
    precondition((1...3).contains(values.count), "a tuple of \(values.count)")
    for value in values { putInteger(value) }
    putMemoized([.tuple1, .tuple2, .tuple3][values.count - 1])
  }

  private mutating func appendLittleEndian(_ number: some FixedWidthInteger) {
    withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
  }
}

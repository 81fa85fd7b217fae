import Foundation

/// What the first page of an SQLite file says, read without SQLite, which would write beside the file.
///
/// Source: https://www.sqlite.org/fileformat2.html, sections 1.3, 1.6 and 2.1.
struct SQLiteHeader {
  /// An entry of the schema: a table's or an index's name, and the statement that made it.
  struct Entry {
    let kind: String
    let name: String
    let statement: String
  }

  static let magic = Array("SQLite format 3\0".utf8)

  /// The number by which programs tell their files (`PRAGMA application_id`).
  let applicationID: UInt32
  /// The number by which a program tells its versions (`PRAGMA user_version`).
  let userVersion: UInt32
  /// The schema; nil where it is larger than the first page.
  let schema: [Entry]?

  /// Reads the start of a file; nil for what is no SQLite file.
  /// - Parameter bytes: 64 KiB, or what there is.
  init?(_ bytes: [UInt8]) {
    guard bytes.count >= 100, bytes.starts(with: Self.magic) else { return nil }
    func number(at offset: Int, bytes count: Int) -> UInt32 {
      bytes[offset..<offset + count].reduce(0) { $0 << 8 | UInt32($1) }
    }
    applicationID = number(at: 68, bytes: 4)
    userVersion = number(at: 60, bytes: 4)
    let size = number(at: 16, bytes: 2)
    let page = bytes.prefix(size == 1 ? 65_536 : Int(size))
    // A leaf of a table's tree holds everything; other kinds say where the rest stands.
    guard page.count >= 108, page[100] == 0x0d else {
      schema = nil
      return
    }
    var entries: [Entry] = []
    for index in 0..<Int(number(at: 103, bytes: 2)) {
      let pointer = 108 + 2 * index
      guard pointer + 2 <= page.count,
        let entry = Self.entry(page, at: Int(number(at: pointer, bytes: 2)))
      else {
        schema = nil
        return
      }
      entries.append(entry)
    }
    schema = entries
  }

  /// One cell: the payload's length, the row's id, and the record.
  private static func entry(_ page: ArraySlice<UInt8>, at start: Int) -> Entry? {
    var position = start
    guard variable(page, &position) != nil, variable(page, &position) != nil else { return nil }
    let head = position
    guard let length = variable(page, &position) else { return nil }
    var types: [Int] = []
    while position < head + length, let type = variable(page, &position) { types.append(type) }
    guard types.count >= 5 else { return nil }
    position = head + length
    var texts: [String] = []
    for type in types.prefix(5) {
      let count = Self.byteCount(type)
      // A long statement goes on elsewhere; what stands here is enough.
      let end = min(position + count, page.count)
      guard position <= end else { return nil }
      texts.append(String(decoding: page[position..<end], as: UTF8.self))
      position = end
    }
    return Entry(kind: texts[0], name: texts[1], statement: texts[4])
  }

  /// How many bytes a value of a serial type takes.
  private static func byteCount(_ type: Int) -> Int {
    switch type {
    case 0...4: type
    case 5: 6
    case 6, 7: 8
    case 8...11: 0
    default: (type - 12) / 2
    }
  }

  /// A number of variable length; nil for one that is larger than any file of ours needs.
  private static func variable(_ page: ArraySlice<UInt8>, _ position: inout Int) -> Int? {
    var value = 0
    for _ in 0..<5 {
      guard page.indices.contains(position) else { return nil }
      let byte = page[position]
      position += 1
      value = value << 7 | Int(byte & 0x7f)
      if byte < 0x80 { return value }
    }
    return nil
  }
}

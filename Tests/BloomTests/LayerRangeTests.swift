import Bloom
import Testing

@Suite("Block ranges")
struct LayerRangeTests {
  @Test("Any number of nodes from 1 to 24 gets disjoint, complete, even ranges", arguments: 1...24)
  func split(_ nodes: Int) throws {
    let ranges = try LayerRange.split(layerCount: 24, into: nodes)
    #expect(ranges.count == nodes)
    #expect(ranges.flatMap { Array($0.indices) } == Array(0..<24))
    let lengths = ranges.map(\.count)
    #expect((lengths.max() ?? 0) - (lengths.min() ?? 0) <= 1)
    try LayerRange.requireCover(ranges)
  }

  @Test("Two nodes get blocks 0-11 and 12-23")
  func documented() throws {
    #expect(try LayerRange.split(layerCount: 24, into: 2).map(\.description) == ["0-11", "12-23"])
  }

  @Test("A text and its range are the same", arguments: ["0-11", "12-23", "0-23", "7-7"])
  func parsing(_ text: String) throws {
    #expect(try LayerRange(parsing: text, of: 24).description == text)
  }

  @Test("A single number is one block")
  func single() throws {
    #expect(try LayerRange(parsing: "7", of: 24).indices == 7..<8)
  }

  @Test(
    "A text that is no range is refused",
    arguments: ["", "-", "a-b", "1-", "-1", "1-2-3", " 1-2", "+1-2", "0x1-2", "1–2", "９-10"])
  func malformed(_ text: String) {
    #expect(throws: LayerRangeError.malformed(text)) { try LayerRange(parsing: text, of: 24) }
  }

  @Test("Reversed, empty and outlying ranges are refused by name")
  func impossible() {
    #expect(throws: LayerRangeError.reversed("11-0")) { try LayerRange(parsing: "11-0", of: 24) }
    #expect(throws: LayerRangeError.outsideModel("12-24", layerCount: 24)) {
      try LayerRange(parsing: "12-24", of: 24)
    }
    #expect(throws: LayerRangeError.outsideModel("-1-3", layerCount: 24)) {
      try LayerRange(-1..<4, of: 24)
    }
    #expect(throws: LayerRangeError.empty("4-3")) { try LayerRange(4..<4, of: 24) }
    #expect(throws: LayerRangeError.malformed("0-9223372036854775807")) {
      try LayerRange(parsing: "0-9223372036854775807", of: 24)
    }
  }

  @Test("More nodes than blocks, or none, is refused", arguments: [0, -1, 25])
  func impossibleSplit(_ nodes: Int) {
    #expect(throws: LayerRangeError.impossibleSplit(nodes: nodes, layerCount: 24)) {
      try LayerRange.split(layerCount: 24, into: nodes)
    }
  }

  @Test("Ranges with a gap, an overlap, in the wrong order or of other models are refused by name")
  func cover() throws {
    func ranges(_ texts: String...) throws -> [LayerRange] {
      try texts.map { try LayerRange(parsing: $0, of: 24) }
    }
    #expect(throws: LayerRangeError.gap(missing: 10..<12)) {
      try LayerRange.requireCover(ranges("0-9", "12-23"))
    }
    #expect(throws: LayerRangeError.gap(missing: 12..<24)) {
      try LayerRange.requireCover(ranges("0-11"))
    }
    #expect(throws: LayerRangeError.overlap("11-23", alreadyCovered: 12)) {
      try LayerRange.requireCover(ranges("0-11", "11-23"))
    }
    #expect(throws: LayerRangeError.gap(missing: 0..<12)) {
      try LayerRange.requireCover(ranges("12-23", "0-11"))
    }
    #expect(throws: LayerRangeError.noRanges) { try LayerRange.requireCover([]) }
    let other = try LayerRange(12..<13, of: 13)
    #expect(throws: LayerRangeError.self) {
      try LayerRange.requireCover(ranges("0-11") + [other])
    }
  }
}

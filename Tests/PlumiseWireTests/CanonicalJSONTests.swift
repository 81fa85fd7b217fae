import PlumiseWire
import Testing

@Suite("Canonical JSON")
struct CanonicalJSONTests {
  @Test("The text equals that of another implementation", arguments: Vectors.all.canonicalJSON)
  func golden(_ vector: Vectors.Canonical) throws {
    #expect(CanonicalJSON.text(of: try JSON.parse(vector.payload)) == vector.canonical)
  }

  @Test("A canonical text is its own canonical text", arguments: Vectors.all.canonicalJSON)
  func idempotent(_ vector: Vectors.Canonical) throws {
    #expect(CanonicalJSON.text(of: try JSON.parse(vector.canonical)) == vector.canonical)
  }

  @Test(
    "Numbers stay as they stand in the body", arguments: ["100", "100.0", "1E2", "1e+02", "-0"])
  func numbers(_ text: String) throws {
    #expect(CanonicalJSON.text(of: try JSON.parse("[\(text)]")) == "[\(text)]")
  }

  @Test("Keys are sorted by code point, also beyond the basic plane")
  func keyOrder() throws {
    // By UTF-16 unit U+1F642 would come before U+FF5E; by code point it comes after.
    let value = try JSON.parse(#"{"🙂":1,"～":2,"é":3,"z":4,"Z":5,"":6}"#)
    let expected = #"{"":6,"Z":5,"z":4,"\u00e9":3,"\uff5e":2,"\ud83d\ude42":1}"#
    #expect(CanonicalJSON.text(of: value) == expected)
  }

  @Test("The letters that JSON has short escapes for use them, the delete character does not")
  func escapes() throws {
    let value = JSON.string("\u{8}\u{c}\n\r\t\"\\/\u{7f}\u{b}")
    #expect(CanonicalJSON.text(of: value) == #""\b\f\n\r\t\"\\/\u007f\u000b""#)
  }
}

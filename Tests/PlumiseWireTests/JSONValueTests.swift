import PlumiseWire
import Testing

@Suite("JSON values")
struct JSONValueTests {
  let value: JSON = ["s": "text", "n": 7, "b": true, "z": nil, "a": [1, ["x": "y"]]]

  @Test("Members and elements are reached by name and place, nil elsewhere")
  func access() {
    #expect(value["s"]?.stringValue == "text")
    #expect(value["n"]?.integerValue == 7)
    #expect(value["n"]?.doubleValue == 7)
    #expect(value["b"]?.boolValue == true)
    #expect(value["z"]?.isNull == true)
    #expect(value["a"]?[1]?["x"] == "y")
    #expect(value["a"]?[2] == nil)
    #expect(value["a"]?[-1] == nil)
    #expect(value["missing"] == nil)
    #expect(value["s"]?["x"] == nil)
    #expect(value["s"]?.integerValue == nil)
    #expect(value["n"]?.stringValue == nil)
    #expect(value["n"]?.boolValue == nil)
    #expect(value[0] == nil)
  }

  @Test("Objects are equal whatever the order of their members, and print in their own order")
  func order() throws {
    let one: JSON = ["a": 1, "b": 2]
    let two: JSON = ["b": 2, "a": 1]
    #expect(one == two)
    #expect(Set([one, two]).count == 1)
    #expect(one.text == #"{"a":1,"b":2}"#)
    #expect(two.text == #"{"b":2,"a":1}"#)
    #expect(one != ["a": 1])
    #expect(one != ["a": 1, "b": 3])
  }

  @Test("Texts that are only canonically equal are two, as values and as names")
  func canonicalEquivalents() {
    for (one, two) in [("\u{e9}", "e\u{301}"), ("K", "\u{212a}")] {
      #expect(one == two)
      #expect(JSON.string(one) != .string(two))
      #expect(Set([JSON.string(one), .string(two), .string(one)]).count == 2)
      #expect(JSON.object([one: 1]) != .object([two: 1]))
      #expect(JSON.object([one: 1, two: 2]) == .object([two: 2, one: 1]))
      #expect(JSON.array([.string(one)]) != .array([.string(two)]))
    }
  }

  @Test("Setting a member keeps its place, a new one comes last, nil removes it")
  func setting() {
    var object: JSONObject = ["a": 1, "b": 2]
    object["a"] = 3
    object["c"] = 4
    #expect(JSON.object(object).text == #"{"a":3,"b":2,"c":4}"#)
    object["b"] = nil
    object["d"] = nil
    #expect(object.keys == ["a", "c"])
  }

  @Test("JavaScript's text has JavaScript's numbers, raw letters and the order of the body")
  func javaScript() throws {
    let value = try JSON.parse(#"{"b":600.0,"a":"é\u2028/","c":[1e21,1E-7,-0,1e400],"d":null}"#)
    #expect(
      JavaScriptJSON.text(of: value)
        == "{\"b\":600,\"a\":\"é\u{2028}/\",\"c\":[1e+21,1e-7,0,null],\"d\":null}")
  }

  @Test("A literal with a name twice traps")
  func duplicateLiteral() async {
    await #expect(processExitsWith: .failure) { _ = ["a": 1, "a": 2] as JSON }
  }
}

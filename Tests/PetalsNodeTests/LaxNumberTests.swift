import Bloom
import PetalsNode
import PlumiseWire
import Testing

@Suite("Numbers of a request's body")
struct LaxNumberTests {
  private static func body(_ field: String, _ value: String) throws -> GenerateBody? {
    do {
      return try GenerateBody(
        JSON.parse(#"{"inputs":"a","parameters":{"\#(field)":\#(value)}}"#))
    } catch let error as FieldErrors {
      #expect(error.errors.map(\.path) == [["parameters", field]], "\(value)")
      #expect(error.errors.allSatisfy { !$0.message.isEmpty && !$0.type.isEmpty })
      return nil
    }
  }

  @Test("Numbers, and texts that spell them, are taken or refused as pydantic's lax mode does")
  func table() throws {
    #expect(LaxNumberTable.rows.count > 300)
    for row in LaxNumberTable.rows {
      let tokens = try Self.body("max_new_tokens", row.json)?.maxNewTokens
      #expect(tokens.map(Double.init) == row.maxNewTokens, "max_new_tokens \(row.json)")
      let temperature = try Self.body("temperature", row.json)?.sampling.temperature
      #expect(temperature == row.temperature.map(Float.init), "temperature \(row.json)")
      let topP = try Self.body("top_p", row.json)?.sampling.topP
      // The least number above zero stands for zero, which keeps the likeliest token alone as well.
      let least = Float.leastNormalMagnitude
      #expect(topP == row.topP.map { max(Float($0), least) }, "top_p \(row.json)")
      let penalty = try Self.body("repetition_penalty", row.json)?.sampling.repetitionPenalty
      #expect(penalty == row.repetitionPenalty.map(Float.init), "repetition_penalty \(row.json)")
    }
  }

  @Test(
    "A refusal says of which kind it is",
    arguments: [
      ("max_new_tokens", "1.5", "int_from_float"), ("max_new_tokens", "1e400", "finite_number"),
      ("max_new_tokens", #""1.5""#, "int_parsing"), ("max_new_tokens", "[]", "int_type"),
      ("max_new_tokens", "0", "greater_than_equal"), ("max_new_tokens", "1e30", "less_than_equal"),
      ("temperature", #""x""#, "float_parsing"), ("temperature", "{}", "float_type"),
      ("temperature", #""nan""#, "less_than_equal"), ("temperature", "-1", "greater_than_equal"),
    ])
  func kinds(field: String, value: String, type: String) throws {
    let error = #expect(throws: FieldErrors.self) {
      try GenerateBody(JSON.parse(#"{"inputs":"a","parameters":{"\#(field)":\#(value)}}"#))
    }
    #expect(error?.errors.map(\.type) == [type])
  }
}

import EthereumPrimitives
import PlumiseWire
import Testing

@Suite("Calldata")
struct CalldataTests {
  @Test(
    "Every call is read, understood and written as another implementation wrote it",
    arguments: Vectors.all.calldata)
  func golden(_ vector: Vectors.Call) throws {
    let input = try Hex.decode(vector.data)
    if let contract = PrecompileCall.Contract(address: try Address(vector.to)) {
      let call = try PrecompileCall(to: contract, input: input)
      #expect(Hex.encode(call.restoringCutName.input) == vector.data)
      #expect(vector.function == call.name)
    } else if let call = try? RewardPoolCall(input: input) {
      #expect(call.signature == vector.function)
      #expect(Hex.encode(call.input) == vector.data)
    } else {
      let call = try AgentRegistryCall(input: input)
      #expect(call.signature == vector.function)
      #expect(Hex.encode(call.input) == vector.data)
    }
  }

  @Test("A name cut inside a character loses the broken rest when it is read")
  func cutName() throws {
    let vector = try #require(
      Vectors.all.calldata.first { $0.data.hasPrefix("0xeb85b8eb939c") })
    let registration = try AgentRegistration(input: Hex.decode(vector.data))
    #expect(registration.name == "노드-한국어-에이전트-")
    #expect(registration.capabilities.count == 1)
  }
}

extension PrecompileCall {
  var name: String {
    switch self {
    case .verifyInference: "verifyInference"
    case .registration: "register"
    case .heartbeat: "heartbeat"
    case .claimReward: "claimReward"
    }
  }

  /// The call that the vectors' author encoded: the one name that is cut there went on with 한.
  var restoringCutName: PrecompileCall {
    guard case .registration(let registration) = self, registration.name.hasSuffix("전트-") else {
      return self
    }
    return .registration(
      AgentRegistration(
        name: registration.name + "한", modelHash: registration.modelHash,
        capabilities: registration.capabilities))
  }
}

import EthereumClient
import EthereumPrimitives
import MockWeb3
import PlumiseWire
import TestSupport
import Testing

/// Arguments that each method takes: whatever has numbers in it is tried with extreme ones.
private enum ValidArguments {
  private static let address: JSON = "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266"
  private static let hash: JSON = .string("0x" + String(repeating: "ab", count: 32))
  private static let call: JSON = [
    "from": address, "to": "0x0000000000000000000000000000000000000021", "gas": "0x5208",
    "nonce": "0x0", "gasPrice": "0x77359400", "value": "0x1", "data": "0x01", "chainId": "0xa3e4",
    "accessList": [["address": address, "storageKeys": [hash]]],
  ]
  private static let dynamicCall: JSON = [
    "from": address, "to": "0x0000000000000000000000000000000000000021",
    "maxFeePerGas": "0x77359400", "maxPriorityFeePerGas": "0x1", "input": "0x01",
  ]
  private static let block: JSON = ["blockNumber": "0x0"]
  private static let typedData: JSON = [
    "types": [
      "EIP712Domain": [["name": "chainId", "type": "uint256"]],
      "Amount": [["name": "value", "type": "int8"], ["name": "list", "type": "uint64[2]"]],
    ],
    "primaryType": "Amount", "domain": ["chainId": 1], "message": ["value": 1, "list": [1, 2]],
  ]
  private static let range: JSON = [
    "fromBlock": "0x0", "toBlock": "latest", "address": [address], "topics": [hash, [hash]],
  ]
  private static let faults: JSON = [
    ["fault": "revert", "reason": "no", "sender": address, "count": 1, "probability": 1],
    ["fault": "withholdReceipt", "blocks": 1], ["fault": "reorganise", "depth": 1],
    ["fault": "error", "code": -32000, "message": "m", "method": "eth_syncing"],
    ["fault": "delay", "milliseconds": 0, "method": "none"],
  ]

  private static let tracing: JSON = [
    "limit": 1, "enableMemory": true, "disableStack": false,
    "stateOverrides": [
      "0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266": ["nonce": "0x1", "balance": "0x1"]
    ],
    "blockOverrides": [
      "number": "0x1", "time": "0x1", "gasLimit": "0x1", "baseFee": "0x1", "difficulty": "0x1",
    ],
  ]

  /// Those of the helpers under each name.
  private static let helpers: [String: [[JSON]]] = [
    "revert": [["0x1"]], "increaseTime": [[1]], "setNextBlockTimestamp": [[2_000_000_000]],
    "setTime": [[2_000_000_000]], "mine": [["0x1", "0x1"], [["timestamp": 1, "blocks": 1]], [1]],
    "setAutomine": [[true]], "setIntervalMining": [[1000]], "setBalance": [[address, "0x1"]],
    "setNonce": [[address, "0x1"]], "setNextBlockBaseFeePerGas": [["0x1"]],
    "dropTransaction": [[hash]], "reset": [[["forking": ["blockNumber": 1]]]],
    "loadState": [["0x00"]], "reorg": [[1]], "setCode": [[address, "0x00"]],
    "setStorageAt": [[address, "0x0", hash]], "impersonateAccount": [[address]],
    "stopImpersonatingAccount": [[address]], "autoImpersonateAccount": [[true]],
    "setRPCUrl": [["http://127.0.0.1:1"]], "setRpcUrl": [["http://127.0.0.1:1"]],
    "setLoggingEnabled": [[true]], "setCoinbase": [[address]], "setBlockGasLimit": [["0x1c9c380"]],
    "setBlockTimestampInterval": [[1]], "rollback": [[1]], "removePoolTransactions": [[address]],
    "mine_detailed": [[["timestamp": 1, "blocks": 1]], [1]],
  ]

  private static let others: [String: [[JSON]]] = [
    "web3_sha3": [["0x01"]],
    "eth_feeHistory": [
      ["0x4", "latest", [10, 50]], [4, "0x0", [.number(JSONNumber(python: 0.5))]],
    ],
    "eth_getBalance": [[address, "0x0"], [address, block]],
    "eth_getTransactionCount": [[address, "0x0"]], "eth_getCode": [[address, block]],
    "eth_getStorageAt": [[address, "0x0", "0x0"]],
    "eth_getProof": [[address, ["0x0"], "0x0"]],
    "eth_call": [[call, "0x0", .object([:]), .object([:])], [dynamicCall, "latest"]],
    "eth_estimateGas": [[call, "latest", .object([:]), .object([:])], [dynamicCall, block]],
    "eth_signTypedData": [[address, typedData]], "eth_signTypedData_v3": [[address, typedData]],
    "eth_signTypedData_v4": [[address, typedData]],
    "eth_createAccessList": [[call, "latest"], [dynamicCall, block]],
    "debug_traceTransaction": [[hash, tracing]],
    "debug_traceBlockByNumber": [["0x0", tracing]], "debug_traceBlockByHash": [[hash, tracing]],
    "debug_traceCall": [[call, "latest", tracing], [dynamicCall, block, .object([:])]],
    "eth_getBlockByNumber": [["0x0", true]], "eth_getBlockByHash": [[hash, true]],
    "eth_getBlockReceipts": [["0x0"], [block]],
    "eth_getBlockTransactionCountByNumber": [["0x0"]],
    "eth_getBlockTransactionCountByHash": [[hash]],
    "eth_getTransactionByBlockNumberAndIndex": [["0x0", "0x0"]],
    "eth_getTransactionByBlockHashAndIndex": [[hash, "0x0"]],
    "eth_getHeaderByNumber": [["0x0"]], "eth_getHeaderByHash": [[hash]],
    "debug_getRawHeader": [["0x0"], [block]], "debug_getRawTransaction": [[hash]],
    "eth_getRawTransactionByBlockNumberAndIndex": [["0x0", "0x0"]],
    "eth_getRawTransactionByBlockHashAndIndex": [[hash, "0x0"]],
    "eth_getUncleByBlockNumberAndIndex": [["0x0", "0x0"]],
    "eth_getUncleByBlockHashAndIndex": [[hash, "0x0"]],
    "debug_getRawBlock": [["0x0"], [block]], "debug_getRawReceipts": [["0x0"], [block]],
    "eth_fillTransaction": [[call], [dynamicCall]],
    "eth_resend": [[call, "0x1", "0x5208"], [dynamicCall]],
    "clique_getSigners": [["0x0"]], "clique_getSignersAtHash": [[hash]],
    "clique_getSnapshot": [["0x0"]], "clique_getSnapshotAtHash": [[hash]],
    "clique_getSigner": [["0x0"], [block]], "clique_propose": [[address, true]],
    "clique_discard": [[address]],
    "eth_sign": [[address, "0x01"]], "personal_sign": [["0x01", address, "p"]],
    "personal_ecRecover": [["0x01", .string("0x" + String(repeating: "ab", count: 65))]],
    "eth_signTransaction": [[call], [dynamicCall]],
    "eth_getUncleCountByBlockNumber": [["0x0"]], "eth_getUncleCountByBlockHash": [[hash]],
    "eth_sendRawTransaction": [["0x02"]], "eth_sendTransaction": [[call], [dynamicCall]],
    "eth_getTransactionByHash": [[hash]], "eth_getTransactionReceipt": [[hash]],
    "eth_getRawTransactionByHash": [[hash]], "eth_getLogs": [[range], [["blockHash": hash]]],
    "eth_newFilter": [[range]], "eth_newPendingTransactionFilter": [[true]],
    "eth_uninstallFilter": [["0x1"]], "eth_getFilterChanges": [["0x1"]],
    "eth_getFilterLogs": [["0x1"]], "txpool_contentFrom": [[address]],
    "agent_getStatus": [[address]], "agent_isAgentAccount": [[address, "0x0"]],
    "agent_getAgentMeta": [[address, "0x0"]], "plumise_setFaults": [[faults, 1]],
    "plumise_stallBlocks": [[true]], "plumise_fund": [[address, "0x1"]],
  ]

  static subscript(method: String) -> [[JSON]]? {
    let parts = method.split(separator: "_", maxSplits: 1).map(String.init)
    let isHelper = ["evm", "anvil", "hardhat"].contains(parts[0])
    return isHelper ? helpers[parts[1]] : others[method]
  }
}

@Suite("Extreme numbers", .timeLimit(.minutes(10)))
struct ExtremeNumberTests {
  /// What a request may be refused with: an internal error is none of them.
  private static let codes: Set<Int64> = [-32602, -32000, 3]

  private static func configuration() -> ChainConfiguration {
    var configuration = ChainConfiguration()
    configuration.blocksPerRequest = 3
    configuration.mining = .manual
    return configuration
  }

  /// Sends a request, and says what is wrong with the answer.
  private func trouble(
    _ chain: MockWeb3, _ method: String, _ parameters: [JSON]
  ) async throws -> String? {
    let request = RPCRequest(id: 1, method: method, params: parameters).json.serialized()
    guard let body = await chain.respond(to: request) else { return "\(parameters): no answer" }
    let answer = try JSON.parse(body)
    if answer["result"] != nil { return nil }
    let code = answer["error"]?["code"]?.integerValue
    if let code, Self.codes.contains(code) { return nil }
    // An error that a fault of this very test put there.
    if method != "plumise_setFaults", code != -32603 { return nil }
    return "\(parameters): \(answer.text)"
  }

  @Test(
    "Every method of the table answers an extreme number in every place, or refuses it",
    arguments: MockWeb3.methods.keys.sorted())
  func methods(method: String) async throws {
    let most = try #require(MockWeb3.methods[method])
    guard most > 0 else {
      // It takes nothing, and says so.
      let network = TestChain()
      #expect(try await network.failure(method, 0) == .tooManyArguments(atMost: 0))
      return
    }
    let valid = try #require(
      ValidArguments[method], "say what \(method) takes, so that its numbers are tried")
    #expect(valid.contains { $0.count == most } || most == 1 || method.hasSuffix("_mine"))
    let chain = MockWeb3(Self.configuration())
    var failures: [String] = []
    try await chain.withBlockProduction {
      for arguments in valid {
        for number in ExtremeNumbers.all {
          for case .array(let tried) in JSON.array(arguments).replacingEachLeaf(by: number) {
            if let trouble = try await trouble(chain, method, tried) { failures.append(trouble) }
          }
          chain.clearFaults()
          chain.setMining(.manual)
          if chain.waitingTransactionCount > 20 { chain.mine() }
        }
      }
    }
    #expect(failures.isEmpty, "\(failures.count), first \(failures.first ?? "")")
    #expect(try await trouble(chain, "eth_getBlockByNumber", ["latest", true]) == nil)
    #expect(try await trouble(chain, "eth_getBlockByNumber", ["pending", true]) == nil)
    #expect(try await trouble(chain, "evm_mine", []) == nil)
  }

  @Test("A transaction with an extreme number in any of its fields is taken, or refused")
  func transactions() async throws {
    var configuration = Self.configuration()
    // The checks behind the cap are meant.
    configuration.transactionFeeCap = nil
    let chain = MockWeb3(configuration)
    let key = chain.accounts[0].key
    var failures: [String] = []
    func send(_ transaction: Transaction) async throws {
      let raw = JSON.string(Hex.encode(transaction.signed(with: key).raw))
      if let trouble = try await trouble(chain, "eth_sendRawTransaction", [raw]) {
        failures.append(trouble)
      }
    }
    for (index, word) in ExtremeNumbers.words.enumerated() {
      let number = word.exactUInt64() ?? .max
      let fees: [Transaction.Fee] = [
        .legacy(gasPrice: word), .accessList(gasPrice: word, []),
        .feeMarket(maxPriorityFeePerGas: word, maxFeePerGas: word, []),
        .feeMarket(maxPriorityFeePerGas: 1, maxFeePerGas: word, []),
      ]
      for fee in fees {
        try await send(
          Transaction(
            chainID: 41956, nonce: UInt64(index), fee: fee, gasLimit: 30_000_000, to: .zero,
            value: word))
      }
      let fee = Transaction.Fee.legacy(gasPrice: 2_000_000_000)
      try await send(Transaction(chainID: number, nonce: 0, fee: fee, gasLimit: 21_000, to: .zero))
      try await send(
        Transaction(chainID: 41956, nonce: number, fee: fee, gasLimit: 21_000, to: .zero))
      try await send(
        Transaction(chainID: 41956, nonce: 1, fee: fee, gasLimit: number, to: .zero))
    }
    #expect(failures.isEmpty, "\(failures.count), first \(failures.first ?? "")")
    for _ in 0..<3 { chain.mine() }
  }

  @Test("A state with an extreme number in any of its fields is taken, or refused")
  func states() async throws {
    let network = TestChain()
    try await network.registerActive(network.account(0))
    network.chain.fund(.precompile(0xaa), 5)
    _ = try await network.client.request(
      "evm_setNonce", [.string(network.account(3).address.lowercaseHex), "0x7"])
    _ = try await network.client.request("evm_setNextBlockBaseFeePerGas", [7])
    network.chain.mine()
    network.chain.setMining(.every(.seconds(5)))
    try await network.client.send(network.transaction(from: network.account(2)))
    let dump = try await network.client.request("anvil_dumpState")
    let lines = try Hex.decode(dump.stringValue ?? "").split(separator: 0x0a)
      .map { try JSON.parse($0) }
    #expect(lines.count > 7)
    let back: JSON = [["event": "takenBack", "to": 1], ["event": "emptied"]]
    var failures: [String] = []
    let chain = TestChain().chain
    for number in ExtremeNumbers.few {
      for (index, line) in (lines + [back]).enumerated() {
        for changed in line.replacingEachLeaf(by: number) {
          var text = lines + [back]
          text[index] = changed
          let bytes = text.map { $0.serialized() + [0x0a] }.joined()
          let state = JSON.string(Hex.encode(bytes))
          if let trouble = try await trouble(chain, "anvil_loadState", [state]) {
            failures.append("line \(index + 1): \(trouble.suffix(300))")
          }
          chain.mine()
        }
      }
    }
    #expect(failures.isEmpty, "\(failures.count), first \(failures.first ?? "")")
  }

  @Test(
    "A chain whose configuration has an extreme number runs",
    arguments: ExtremeNumbers.integers)
  func configurations(number: UInt64) async throws {
    let changes: [(inout ChainConfiguration) -> Void] = [
      { $0.rules.chainID = number }, { $0.genesisTimestamp = number },
      { $0.rules.blockGasLimit = number }, { $0.rules.blockReward = Word(number) },
      { $0.rules.blockReward = .max - Word(number) }, { $0.rules.blocksPerEpoch = number },
      { $0.suggestedTip = .max - Word(number) }, { $0.minimumTip = Word(number) },
      { $0.balances[.precompile(0xaa)] = .max - Word(number) },
      { $0.rules.gasCosts[.precompile(0x21)] = number },
      { $0.mining = .every(.milliseconds(max(1, min(number, 3_153_600_000_000)))) },
    ]
    for change in changes {
      var configuration = ChainConfiguration()
      change(&configuration)
      let network = TestChain(configuration)
      let raw = network.transaction(from: network.account(0), to: .precompile(0x21)).raw
      let requests: [(String, [JSON])] = [
        ("eth_sendRawTransaction", [.string(Hex.encode(raw))]), ("evm_mine", []),
        (
          "eth_sendTransaction",
          [
            [
              "from": .string(network.account(0).address.lowercaseHex),
              "to": "0x0000000000000000000000000000000000000021",
            ]
          ]
        ),
        ("eth_feeHistory", ["0x5", "latest", [50]]), ("eth_gasPrice", []), ("eth_chainId", []),
        ("eth_getBlockByNumber", ["pending", true]), ("evm_increaseTime", [1]), ("evm_mine", []),
        ("anvil_dumpState", []),
        ("eth_estimateGas", [["to": "0x0000000000000000000000000000000000000021"]]),
      ]
      for (method, parameters) in requests {
        #expect(try await trouble(network.chain, method, parameters) == nil)
      }
      #expect(network.chain.epoch <= network.chain.blockNumber)
    }
  }

  @Test("A block time that no clock can count is as good as the longest")
  func longInterval() {
    let chain = TestChain().chain
    var mining = MiningMode.automatic
    mining.interval = .seconds(Int64.max)
    chain.setMining(mining)
    #expect(chain.mine().number == 1)
  }

  @Test("A base fee that no block can raise stays at the largest word")
  func baseFee() {
    #expect(BaseFee.next(after: .max, gasUsed: 30_000_000, gasLimit: 30_000_000) == .max)
    #expect(BaseFee.next(after: .max, gasUsed: 0, gasLimit: 30_000_000) < .max)
    #expect(BaseFee.next(after: .max, gasUsed: .max, gasLimit: .max) == .max)
  }

  @Test(
    "A number that does not fit is refused with its name and its limits",
    arguments: [
      ("evm_setIntervalMining", "0x7fffffffffffffff", "seconds", "3153600000"),
      ("hardhat_setIntervalMining", "-1", "milliseconds", "3153600000000"),
      ("evm_increaseTime", "1.5", "seconds", "9223372036854775807"),
      ("anvil_setNextBlockTimestamp", "0xffffffffffffffff", "timestamp", "9223372036854775807"),
      ("hardhat_mine", "0x8000000000000000", "blocks", "1000000"),
      (
        "anvil_setNextBlockBaseFeePerGas", "0x10000000000000000", "base fee", "18446744073709551615"
      ),
    ] as [(String, String, String, String)])
  func words(method: String, number: String, name: String, limit: String) async throws {
    let failure = try await TestChain().failure(method, .string(number))
    #expect(
      failure
        == .invalidArgument(0, "\(name) is a whole number from 0 to \(limit), not \"\(number)\""))
  }
}

/// Numbers that break programs which take any for granted: around every power of two, negative,
/// broken, too long, and texts that only look like numbers.
enum ExtremeNumbers {
  /// 0, 1, and each power of two with its neighbours, up to 2²⁵⁶ − 1.
  static let words: [Word] =
    [0, 1, 2, 3] + (2..<256).flatMap(around) + [.max]

  /// Those of them that are next to a limit of some type.
  static let limits: [Word] =
    [0, 1, 2, 3] + limitBits.flatMap(around) + [.max]

  private static let limitBits = [
    7, 8, 15, 16, 24, 31, 32, 33, 47, 52, 53, 54, 62, 63, 64, 65, 127, 128, 159, 160, 255,
  ]

  /// A power of two and its neighbours.
  private static func around(_ bit: Int) -> [Word] {
    let power = Word(1) << bit
    return [power - 1, power, power + 1]
  }

  /// Those that fit 64 bits.
  static let integers: [UInt64] = limits.compactMap { $0.exactUInt64() } + [.max - 1, .max]

  private static func number(_ text: String) -> JSON {
    guard let number = JSONNumber(text) else { preconditionFailure("\(text) is a JSON number") }
    return .number(number)
  }

  /// Every word as a JSON number and as a quantity.
  static let plain: [JSON] = words.flatMap { [number("\($0)"), .string(Quantity.encode($0))] }

  /// Spellings that somebody may take for a number.
  static let odd: [JSON] =
    limits.flatMap { word -> [JSON] in
      let hex = String(Quantity.encode(word).dropFirst(2))
      return [
        number("-\(word)"), .string("\(word)"), .string("-\(word)"), .string("0x0" + hex),
        .string("0X" + hex), .string("0x" + String(repeating: "0", count: 64) + hex),
        .string("-0x" + hex), number("\(word).0"), number("\(word).5"),
      ]
    } + strange

  /// What is no number of any type, or of no type that holds 256 bits.
  static let strange: [JSON] = [
    "0x10000000000000000000000000000000000000000000000000000000000000000",
    "115792089237316195423570985008687907853269984665640564039457584007913129639936",
    "", " ", "0x", "0X", "x", "NaN", "Infinity", "-Infinity", "nan", "1e3", "1.5", "+1", "0x+1",
    "1_000", "٣", "0xg", "latest", "pending", "earliest", "safe", "finalized", nil, true, [], [[]],
    JSON.object([:]), ["0x1"], ["a": 1],
    number("1e0"), number("1e3"), number("1e18"), number("1e19"), number("1e77"), number("1e78"),
    number("1e308"), number("1e309"), number("1e999999"), number("-1e309"), number("1e-9"),
    number("0.1"), number("-0"), number("-0.0"), number("9007199254740993.0"),
    number(String(repeating: "9", count: 400)),
  ]

  static let all = plain + odd

  /// Enough of them where each one costs a whole chain.
  static let few =
    limits.map { JSON.string(Quantity.encode($0)) }
    + integers.flatMap { [number("\($0)"), number("-\($0)")] } + strange
}

extension JSON {
  /// Every copy of the value in which one leaf is another one.
  func replacingEachLeaf(by other: JSON) -> [JSON] {
    switch self {
    case .array(let elements) where !elements.isEmpty:
      elements.indices.flatMap { index in
        elements[index].replacingEachLeaf(by: other).map { leaf in
          var copy = elements
          copy[index] = leaf
          return .array(copy)
        }
      }
    case .object(let object) where !object.members.isEmpty:
      object.members.flatMap { member in
        member.value.replacingEachLeaf(by: other).map { leaf in
          var copy = object
          copy[member.key] = leaf
          return .object(copy)
        }
      }
    default: [other]
    }
  }
}

import EthereumPrimitives
import PlumiseWire

/// `web3_`, `net_` and `rpc_`: who is there.
enum NetMethods {
  static let table: [String: RPCMethod] = [
    "web3_clientVersion": .plain { _, _ in "PlumiseMockWeb3/v1.13.15-stable/swift" },
    "web3_sha3": RPCMethod(arguments: 1) { arguments in
      let hash = Keccak256.hash(try arguments.required(0).bytes())
      return { _, _ in .string(hash.hex) }
    },
    "net_version": .plain { chain, _ in .string("\(chain.rules.chainID)") },
    "net_listening": .plain { _, _ in true },
    "net_peerCount": .plain { _, _ in "0x0" },
    "rpc_modules": .plain { _, _ in
      .object(
        JSONObject(
          uniqueMembers: RPCMethod.namespaces.sorted().map { ($0, JSON.string("1.0")) }))
    },
  ]
}

import EthereumPrimitives
import PlumiseWire

/// `eth_signTypedData`: signing structured data (EIP-712) with the keys of the chain's own accounts.
///
/// go-ethereum's node has none of them (its signer Clef has); names and arguments are MetaMask's and
/// Anvil's: the account, and the data as an object or as its JSON text.
enum TypedDataMethods {
  static let table: [String: RPCMethod] = [
    // Anvil's unnumbered one is the newest version.
    "eth_signTypedData": signing(.four),
    "eth_signTypedData_v3": signing(.three),
    "eth_signTypedData_v4": signing(.four),
  ]

  private static func signing(_ version: TypedData.Version) -> RPCMethod {
    RPCMethod(arguments: 2) { arguments in
      let address = try arguments.address(0)
      let hash = try hash(of: arguments.required(1), version)
      return { chain, _ in
        let account = chain.configuration.accounts.first { $0.address == address }
        guard let account else { throw RPCFailure.refused("unknown account") }
        return .hex(account.key.sign(hash).bytes)
      }
    }
  }

  /// The digest that is signed.
  private static func hash(of value: GethValue, _ version: TypedData.Version) throws -> Hash32 {
    do {
      var json = value.json
      if case .string(let text) = json { json = try JSON.parse(text) }
      return try TypedData(json).signingHash(version)
    } catch {
      throw value.failure("\(error)")
    }
  }
}

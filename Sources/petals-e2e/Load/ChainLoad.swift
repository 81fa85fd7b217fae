import EthereumClient
import EthereumPrimitives
import MockWeb3
import NIOCore
import PlumiseWire

/// Raw transfers of one wei among the ten well-known accounts.
struct ChainLoad: LoadWork {
  let name = "transfers"
  private let chainID: UInt64
  private let gasPrice: Word
  private let firstNonces: [UInt64]
  private let accounts = DevelopmentAccount.standard

  /// - Throws: `CommandFailure` (wrong input) when the accounts have no coins there.
  init(client: EthereumClient) async throws {
    chainID = try await client.chainID()
    let price = try await client.gasPrice()
    let doubled = price.addingReportingOverflow(price)
    gasPrice = doubled.overflow ? .max : doubled.partialValue
    var nonces: [UInt64] = []
    for account in DevelopmentAccount.standard {
      guard try await client.balance(of: account.address) > 0 else {
        throw CommandFailure.wrongInput(
          "\(account.address.checksummed) has no coins on that chain; load is for development "
            + "chains, where the ten accounts of the well-known mnemonic are funded")
      }
      let nonce = try await client.transactionCount(of: account.address, at: .pending)
      // Source: EIP-2681; half of it leaves room for whatever a load sends.
      guard nonce <= .max / 2 else {
        throw CommandFailure.failed(
          "the chain says that \(account.address.checksummed) has sent \(nonce) transactions; "
            + "at most \(UInt64.max / 2) can be gone on from")
      }
      nonces.append(nonce)
    }
    firstNonces = nonces
  }

  func request(_ index: Int) throws -> LoadRequest {
    let sender = index % accounts.count
    let transaction = Transaction(
      chainID: chainID, nonce: firstNonces[sender] + UInt64(index / accounts.count),
      fee: .legacy(gasPrice: gasPrice), gasLimit: 21_000,
      to: accounts[(sender + 1) % accounts.count].address, value: 1)
    let raw = transaction.signed(with: accounts[sender].key).raw
    let request: JSON = [
      "jsonrpc": "2.0", "id": .integer(index), "method": "eth_sendRawTransaction",
      "params": [.string(Hex.encode(raw))],
    ]
    return LoadRequest(path: "/", body: request.serialized())
  }

  func refusal(status: UInt, body: ByteBuffer) -> String? {
    guard status == 200, let answer = try? JSON.parse(Array(body.readableBytesView)) else {
      return "status \(status)"
    }
    if answer["result"]?.stringValue != nil { return nil }
    return answer["error"]?["message"]?.stringValue ?? "an answer without result"
  }
}

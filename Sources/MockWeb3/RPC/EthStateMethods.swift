import EthereumPrimitives
import PlumiseWire

/// `eth_`: accounts.
enum EthStateMethods {
  static let table: [String: RPCMethod] = [
    "eth_getBalance": RPCMethod(arguments: 2) { arguments in
      let (address, block) = (try arguments.address(0), try arguments.block(1))
      return { chain, now in .quantity(try chain.view(block, now: now).state[address].balance) }
    },
    "eth_getTransactionCount": RPCMethod(arguments: 2) { arguments in
      let (address, block) = (try arguments.address(0), try arguments.block(1))
      return { chain, now in
        if block == .tag(.pending) {
          return .quantity(chain.pool.nextNonce(of: address, state: chain.state))
        }
        return .quantity(try chain.view(block, now: now).state[address].nonce)
      }
    },
    "eth_getCode": RPCMethod(arguments: 2) { arguments in
      let (address, block) = (try arguments.address(0), try arguments.block(1))
      return { chain, now in .hex(try chain.view(block, now: now).state[address].code) }
    },
    "eth_getStorageAt": RPCMethod(arguments: 3) { arguments in
      _ = try arguments.address(0)
      let slot = try arguments.required(1).string()
      let block = try arguments.block(2)
      return { chain, now in
        // The native programs keep typed records, not slots: every slot reads as zero.
        _ = try chain.view(block, now: now)
        try checkSlot(slot)
        return .hash(.zero)
      }
    },
  ]

  /// A slot has any number of digits up to 64, with `0x` or without.
  private static func checkSlot(_ text: String) throws {
    let hasPrefix = text.hasPrefix("0x") || text.hasPrefix("0X")
    let digits = text.utf8.dropFirst(hasPrefix ? 2 : 0)
    let reason: String
    if !digits.allSatisfy({ Character(UnicodeScalar($0)).isHexDigit }) {
      reason = "hex string invalid"
    } else if digits.count > 64 {
      reason = "hex string too long, want at most 32 bytes"
    } else {
      return
    }
    throw RPCFailure.refused("unable to decode storage key: \(reason)")
  }
}

import Foundation

/// A keystore's JSON as it is written: the letter of the format, version 3.
struct KeystoreLayout: Encodable {
  struct Crypto: Encodable {
    struct CipherParameters: Encodable { let iv: String }
    struct DerivationParameters: Encodable {
      let dklen = 32
      let salt: String
      var n, r, p: UInt64?
      var c: UInt32?
      var prf: String?
    }
    let cipher = "aes-128-ctr"
    let ciphertext, kdf, mac: String
    let cipherparams: CipherParameters
    let kdfparams: DerivationParameters
  }
  let version = 3
  let id: String
  let address: String?
  let crypto: Crypto

  init(_ keystore: Keystore) {
    let salt = Hex.digits(keystore.derivation.salt)
    let kdf: String
    let parameters: Crypto.DerivationParameters
    switch keystore.derivation.cost {
    case .scrypt(let n, let r, let p):
      (kdf, parameters) = ("scrypt", .init(salt: salt, n: n, r: r, p: p))
    case .pbkdf2(let iterations, let prf):
      (kdf, parameters) = ("pbkdf2", .init(salt: salt, c: iterations, prf: prf.rawValue))
    }
    // RFC 4122 writes a UUID in lower case.
    id = (keystore.id ?? UUID()).uuidString.lowercased()
    address = keystore.address.map { String($0.lowercaseHex.dropFirst(2)) }
    crypto = Crypto(
      ciphertext: Hex.digits(keystore.ciphertext), kdf: kdf, mac: Hex.digits(keystore.mac),
      cipherparams: .init(iv: Hex.digits(keystore.initialCounter)), kdfparams: parameters)
  }
}

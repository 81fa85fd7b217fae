/// Why a keystore does not give its key, or cannot be made.
public enum KeystoreError: Error, Hashable, Sendable, CustomStringConvertible {
  /// A field is missing, of the wrong type or of the wrong length; the text names it.
  case malformed(String)
  /// A field holds a value that this reader does not know: its name and the value.
  case unsupported(String, String)
  /// A parameter of the derivation is out of range: its name, its value and what is accepted.
  case invalidParameter(String, String, String)
  /// The seal does not fit the password.
  case wrongPassword
  /// What was decrypted is no secret key.
  case notAKey(SecretKeyError)
  /// The key belongs to another account than the file says.
  case wrongAddress(expected: Address, actual: Address)
  /// The cryptographic library failed, for want of memory.
  case library(String)

  /// What is wrong, in one line.
  public var description: String {
    switch self {
    case .malformed(let reason): "malformed keystore: \(reason)"
    case .unsupported(let field, let value):
      "the keystore's \(field) is \(value), which is not supported"
    case .invalidParameter(let name, let value, let accepted):
      "the keystore's \(name) is \(value); accepted is \(accepted)"
    case .wrongPassword: "wrong password for the keystore, or the file was altered"
    case .notAKey(let error): "the keystore holds no key: \(error)"
    case .wrongAddress(let expected, let actual):
      "the keystore says \(expected) and holds the key of \(actual)"
    case .library(let reason): reason
    }
  }
}

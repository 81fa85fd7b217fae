import Crypto
public import Foundation
import SystemErrors

/// The key that a peer of a swarm signs with; its public half is the peer's name.
///
/// A file of one is libp2p's: a protobuf message of the key's type (1, Ed25519) and of 64 bytes, the
/// secret seed and the public key.
public struct SwarmIdentity: Sendable {
  /// The name that follows from the key.
  public let peer: PeerID
  private let key: Curve25519.Signing.PrivateKey

  private static let header: [UInt8] = [0x08, 0x01, 0x12, 0x40]

  /// A new identity, by chance.
  public init() { self.init(Curve25519.Signing.PrivateKey()) }

  private init(_ key: Curve25519.Signing.PrivateKey) {
    self.key = key
    peer = PeerID(ed25519: key.publicKey.rawRepresentation)
  }

  /// Reads the identity in a file, which is made first where there is none, readable by its owner
  /// alone.
  ///
  /// - Throws: ``SwarmError/Code/wrongIdentity``.
  public init(file: URL) throws(SwarmError) {
    let path = file.path(percentEncoded: false)
    guard FileManager.default.fileExists(atPath: path) else {
      self.init()
      try write(to: file)
      return
    }
    let bytes: [UInt8]
    do {
      bytes = Array(try Data(contentsOf: file))
    } catch {
      throw SwarmError(.wrongIdentity, "the identity file \(path): \(error.systemReason)")
    }
    guard bytes.count == 68, Array(bytes.prefix(4)) == Self.header,
      let key = try? Curve25519.Signing.PrivateKey(rawRepresentation: bytes[4..<36]),
      Array(key.publicKey.rawRepresentation) == Array(bytes[36...])
    else {
      throw SwarmError(
        .wrongIdentity,
        "the identity file \(path) holds no Ed25519 key of libp2p (68 bytes): name another file, "
          + "or a new one to have a key made")
    }
    self.init(key)
  }

  /// The bytes of the key's file.
  var fileBytes: [UInt8] { Self.header + key.rawRepresentation + key.publicKey.rawRepresentation }

  /// Writes the key for its owner alone.
  func write(to file: URL) throws(SwarmError) {
    let path = file.path(percentEncoded: false)
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL, 0o600)
    guard descriptor >= 0 else {
      throw SwarmError(
        .wrongIdentity,
        "the identity file \(path) cannot be made: \(String(cString: strerror(errno)))")
    }
    defer { close(descriptor) }
    let bytes = fileBytes
    guard Foundation.write(descriptor, bytes, bytes.count) == bytes.count else {
      throw SwarmError(
        .wrongIdentity,
        "the identity file \(path) cannot be written: \(String(cString: strerror(errno)))")
    }
  }
}

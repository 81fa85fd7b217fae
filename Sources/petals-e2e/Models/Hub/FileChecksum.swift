import Crypto
import Foundation

/// What a hub says of a file's content.
enum FileChecksum: Hashable, Sendable {
  /// SHA-256 of the bytes, lower-case hexadecimal: of files kept in large-file storage.
  case sha256(String)
  /// Git's name of the content, SHA-1 over `blob LENGTH NUL bytes`: of files kept in git itself.
  case gitBlob(String)

  var hexadecimal: String {
    switch self {
    case .sha256(let digits), .gitBlob(let digits): digits
    }
  }
}

/// Takes a file's bytes as they come, and compares them with its checksum at the end.
struct ChecksumVerifier {
  private enum State {
    case sha256(SHA256)
    case sha1(Insecure.SHA1)
  }

  private let expected: FileChecksum
  private var state: State

  init(_ file: HubFile) {
    expected = file.checksum
    switch file.checksum {
    case .sha256:
      state = .sha256(SHA256())
    case .gitBlob:
      var hash = Insecure.SHA1()
      hash.update(data: Array("blob \(file.size)\0".utf8))
      state = .sha1(hash)
    }
  }

  mutating func take(_ bytes: some DataProtocol) {
    switch state {
    case .sha256(var hash):
      hash.update(data: bytes)
      state = .sha256(hash)
    case .sha1(var hash):
      hash.update(data: bytes)
      state = .sha1(hash)
    }
  }

  /// Whether the bytes taken are the file's.
  var matches: Bool {
    switch state {
    case .sha256(let hash): Self.hexadecimal(hash.finalize()) == expected.hexadecimal
    case .sha1(let hash): Self.hexadecimal(hash.finalize()) == expected.hexadecimal
    }
  }

  private static func hexadecimal(_ digest: some Sequence<UInt8>) -> String {
    digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
  }
}

/// Where a peer of a swarm is reached, in libp2p's notation: `/ip4/10.0.0.5/tcp/31340/p2p/12D3KooW…`.
public struct SwarmAddress: Hashable, Sendable, CustomStringConvertible {
  /// The way to the peer, without its name: `/ip4/10.0.0.5/tcp/31340`.
  public let transport: String
  /// The peer.
  public let peer: PeerID

  /// An address by its parts.
  public init(transport: String, peer: PeerID) {
    self.transport = transport
    self.peer = peer
  }

  /// Reads an address.
  ///
  /// - Throws: ``SwarmError/Code/wrongAddress``.
  public init(parsing text: String) throws(SwarmError) {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 7, parts[0].isEmpty, ["ip4", "ip6", "dns4", "dns6"].contains(parts[1]),
      !parts[2].isEmpty, parts[2].utf8.allSatisfy(Self.isHostCharacter), parts[3] == "tcp",
      let port = UInt16(parts[4]), port > 0, parts[5] == "p2p",
      let peer = try? PeerID(parsing: parts[6])
    else {
      throw SwarmError(
        .wrongAddress,
        "\"\(text)\" is no address of a swarm's peer: write /ip4/ADDRESS/tcp/PORT/p2p/PEER, as a peer "
          + "prints it when it starts")
    }
    transport = parts[..<5].joined(separator: "/")
    self.peer = peer
  }

  /// Reads several, with commas between them.
  ///
  /// - Throws: ``SwarmError/Code/wrongAddress`` for the first that is none.
  public static func list(parsing text: String) throws(SwarmError) -> [SwarmAddress] {
    var addresses: [SwarmAddress] = []
    for part in text.split(separator: ",") {
      addresses.append(try SwarmAddress(parsing: String(part)))
    }
    guard !addresses.isEmpty else { throw SwarmError(.wrongAddress, "no address was given") }
    return addresses
  }

  private static func isHostCharacter(_ byte: UInt8) -> Bool {
    byte > 0x20 && byte < 0x7f && byte != UInt8(ascii: ",")
  }

  /// The notation.
  public var description: String { "\(transport)/p2p/\(peer)" }

  /// Reads the binary form that p2pd gives of addresses with TCP on IPv4 or IPv6; nil for others.
  init?(binary: [UInt8], peer: PeerID) {
    func port(_ at: Int) -> Int { Int(binary[at]) << 8 | Int(binary[at + 1]) }
    // Codes: 4 is ip4, 41 is ip6, 6 is tcp.
    if binary.count == 8, binary[0] == 4, binary[5] == 6 {
      let digits = binary[1...4].map(String.init).joined(separator: ".")
      self.init(transport: "/ip4/\(digits)/tcp/\(port(6))", peer: peer)
    } else if binary.count == 20, binary[0] == 41, binary[17] == 6 {
      let groups = stride(from: 1, to: 17, by: 2).map { String(port($0), radix: 16) }
      self.init(transport: "/ip6/\(groups.joined(separator: ":"))/tcp/\(port(18))", peer: peer)
    } else {
      return nil
    }
  }
}

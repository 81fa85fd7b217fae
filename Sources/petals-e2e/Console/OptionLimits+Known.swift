// The limits of the command's options, where more than one has them or a reason is to be told.

extension OptionLimits where Self == WholeNumbers<Int> {
  /// A port to listen on; 0 for any free one.
  static var port: Self { WholeNumbers("a port", 0...65_535) }

  /// How many tokens are generated; a token's position is 32 bits wide in every message.
  static var newTokens: Self { WholeNumbers("a number of new tokens", 1...Int(Int32.max)) }
}

extension OptionLimits where Self == WholeNumbers<UInt64> {
  /// Where chance begins: any 64 bits.
  static var seed: Self { WholeNumbers("a seed", 0...UInt64.max) }

  /// A chain's id, as large as a signature's 2 · id + 36 fits 64 bits (EIP-2294).
  static var chainID: Self { WholeNumbers("a chain id", 1...(UInt64.max / 2 - 36)) }
}

extension OptionLimits where Self == Times {
  /// Any time, and none.
  static var time: Self { Times("a time", from: 0.001, orZero: true) }

  /// A time that passes.
  static var someTime: Self { Times("a time", from: 0.001) }

  /// From report to report: their timestamps have whole seconds, and each is above the last one's;
  /// an oracle refuses those that run ahead of the clock.
  static var reportInterval: Self { Times("the time from report to report", from: 1) }

  /// From heartbeat to heartbeat: each is a transaction.
  static var heartbeatInterval: Self { Times("the time from heartbeat to heartbeat", from: 1) }

  /// How long a node may be silent: it needs time to answer.
  static var peerSilence: Self { Times("a node's silence", from: 0.1) }
}

import ArgumentParser

/// Reads a port of the command line: 0 to 65535, 0 for any free one.
func portArgument(_ text: String) throws -> Int {
  guard let port = Int(text), (0...65535).contains(port) else {
    throw ValidationError("a port is a whole number from 0 to 65535, not \(text)")
  }
  return port
}

/// Reads a time of the command line: seconds from 0 to a year, with a fraction if need be.
func secondsArgument(_ text: String) throws -> Double {
  guard let seconds = Double(text), (0...31_536_000).contains(seconds) else {
    throw ValidationError("a time is a number of seconds from 0 to 31536000, not \(text)")
  }
  return seconds
}

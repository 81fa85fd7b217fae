import ArgumentParser
import Foundation

/// Reads the address of a service on the command line: an http or https URL.
func urlArgument(_ text: String) throws -> String {
  guard let url = URL(string: text), ["http", "https"].contains(url.scheme),
    url.host?.isEmpty == false
  else { throw ValidationError("'\(text)' is no http or https URL, as http://127.0.0.1:26902 is") }
  return text
}

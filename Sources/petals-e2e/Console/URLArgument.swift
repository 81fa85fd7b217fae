import ArgumentParser
import Foundation

/// Reads the address of a service: an http or https URL, without the slashes at its end.
func serviceURL(_ text: String) -> String? {
  guard let url = URL(string: text), ["http", "https"].contains(url.scheme),
    url.host?.isEmpty == false
  else { return nil }
  return String(text.reversed().drop { $0 == "/" }.reversed())
}

/// Reads the address of a service on the command line.
func urlArgument(_ text: String) throws -> String {
  guard let url = serviceURL(text) else {
    throw ValidationError("'\(text)' is no http or https URL, as http://127.0.0.1:26902 is")
  }
  return url
}

import Foundation
import PlumiseWire

/// Addresses of services: http or https URLs, without the slashes at their end.
package struct ServiceURLs: OptionLimits {
  package init() {}

  package var limits: String { "" }
  package var expectation: String {
    "a service is an http or https URL, as http://127.0.0.1:26902 is, with a port from 1 to 65535"
  }

  package func value(_ text: String) -> String? {
    guard let url = URL(string: text), ["http", "https"].contains(url.scheme),
      url.host?.isEmpty == false, URLAuthority.hasPossiblePort(in: text)
    else { return nil }
    return String(text.reversed().drop { $0 == "/" }.reversed())
  }
}

extension OptionLimits where Self == ServiceURLs {
  static var serviceURL: Self { ServiceURLs() }
}

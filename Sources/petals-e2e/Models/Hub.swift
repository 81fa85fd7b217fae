import AsyncHTTPClient
import Foundation
import NIOCore
import NIOHTTP1
import OutgoingHTTP
import PlumiseWire

/// A client of a model hub's HTTP API.
struct Hub: Sendable {
  /// The hub's address, without a slash at its end.
  let endpoint: String
  /// The token in `HF_TOKEN`, for models with restricted access.
  let token: String?

  static let defaultEndpoint = "https://huggingface.co"

  private static let client = HTTPClient(
    eventLoopGroupProvider: .singleton, configuration: .singleAttempt(read: .seconds(60)))

  /// The most redirects that are followed for one request.
  private static let maximumRedirects = 5

  /// Backstop for one request; the read time-out ends those that stand still.
  private static let requestTimeout = TimeAmount.hours(24)

  /// - Parameters:
  ///   - endpoint: an http or https URL without a slash at its end.
  ///   - token: an empty one counts as none.
  init(endpoint: String, token: String?) {
    self.endpoint = endpoint
    self.token = token.flatMap { $0.isEmpty ? nil : $0 }
  }

  /// The address that `HF_ENDPOINT` holds, or the default where it holds none.
  /// - Throws: `CommandFailure` (wrong input) for an address that is none.
  static func endpoint(_ setting: String?) throws -> String {
    guard let setting, !setting.isEmpty else { return defaultEndpoint }
    let urls = ServiceURLs()
    guard let url = urls.value(setting) else {
      throw CommandFailure.wrongInput("HF_ENDPOINT '\(setting)': \(urls.expectation)")
    }
    return url
  }

  /// The hub's listing of a model's files.
  func listing(of name: HubName, revision: String) async throws -> HubListing {
    let url = "\(endpoint)/api/models/\(name)/revision/\(revision)?blobs=true"
    return try await TransferRetryPolicy().run { _ in
      // The client's own time-out watches each read, not the whole.
      let body = try await withDeadline(.seconds(120), "\(url) gave no whole answer") {
        try await get(url, name).body.collect(upTo: 16 << 20)
      }
      guard let answer = try? JSON.parse(Array(body.readableBytesView)) else {
        throw CommandFailure.failed("\(url) did not answer JSON; is it a hub?")
      }
      return try HubListing(answer, of: name)
    }
  }

  /// Requests a file's bytes from an offset on.
  func content(
    of file: HubFile, in name: HubName, at commit: String, from offset: Int64
  ) async throws -> HTTPClientResponse {
    let url = "\(endpoint)/\(name)/resolve/\(commit)/\(file.name)"
    return try await get(url, name, range: offset > 0 ? "bytes=\(offset)-" : nil)
  }

  private func get(
    _ url: String, _ name: HubName, range: String? = nil
  ) async throws -> HTTPClientResponse {
    let response = try await getFollowingRedirects(url, range: range)
    switch response.status.code {
    case 200, 206:
      return response
    case 401, 403:
      throw CommandFailure.failed(
        "the hub does not give \(name) to everybody (or has none of that name); put a token "
          + "into HF_TOKEN")
    case 404:
      throw CommandFailure.failed("\(url) is not there (404); check the name and the revision")
    case 429, 500...599:
      throw RetryableHubError(
        url: url, status: response.status.code,
        retryAfter: response.headers.first(name: "Retry-After").flatMap { Int($0) })
    default:
      throw CommandFailure.failed("\(url) answered \(response.status.code)")
    }
  }
}

extension Hub {
  /// Sends a GET request and follows redirects; the token is sent to the hub's own address alone.
  private func getFollowingRedirects(
    _ url: String, range: String?
  ) async throws -> HTTPClientResponse {
    var place = url
    for _ in 0...Self.maximumRedirects {
      var request = HTTPClientRequest(url: place)
      request.headers.add(name: "User-Agent", value: "petals-e2e")
      // A length and a range speak of the bytes as they are stored.
      request.headers.add(name: "Accept-Encoding", value: "identity")
      if let token, place.hasPrefix("\(endpoint)/") {
        request.headers.add(name: "Authorization", value: "Bearer \(token)")
      }
      if let range { request.headers.add(name: "Range", value: range) }
      let response = try await Self.client.execute(request, timeout: Self.requestTimeout)
      guard [301, 302, 303, 307, 308].contains(response.status.code),
        let location = response.headers.first(name: "Location")
      else { return response }
      // Small: what it says is in its head.
      _ = try await response.body.collect(upTo: 1 << 20)
      let next = URL(string: location, relativeTo: URL(string: place))?.absoluteURL.absoluteString
      guard let next, ServiceURLs().value(next) != nil else {
        throw CommandFailure.failed(
          "\(place) points to '\(location.prefix(200))', which is no http or https URL with a port "
            + "from 1 to 65535")
      }
      place = next
    }
    throw CommandFailure.failed("\(url) points elsewhere more than \(Self.maximumRedirects) times")
  }
}

/// A response that is worth a retry: 429 or 5xx.
struct RetryableHubError: Error, CustomStringConvertible {
  let url: String
  let status: UInt
  /// Seconds.
  let retryAfter: Int?

  var description: String { "\(url) answered \(status)" }
}

public import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOSSL
import OutgoingHTTP
import PlumiseWire
public import SystemErrors

/// One report on its way: `POST url` with a JSON body.
public struct ReportRequest: Sendable, Hashable {
  /// Where to.
  public let url: String
  /// The JSON text, exactly as signed and serialised.
  public let body: [UInt8]

  /// Makes a request.
  public init(url: String, body: [UInt8]) {
    self.url = url
    self.body = body
  }
}

/// What the oracle answered.
public struct ReportAnswer: Sendable, Hashable {
  /// The HTTP status.
  public let status: Int
  /// How long the `Retry-After` header asks to wait, when it holds seconds or a date.
  public let retryAfter: Duration?
  /// The body's bytes.
  public let body: [UInt8]

  /// Makes an answer.
  public init(status: Int, retryAfter: Duration? = nil, body: [UInt8]) {
    self.status = status
    self.retryAfter = retryAfter
    self.body = body
  }
}

/// How reports reach the oracle: over HTTP, or in memory.
public protocol ReportTransport: Sendable {
  /// Posts one report and returns whatever was answered, errors included.
  ///
  /// It has no time-out of its own: the reporter cancels the task when its own clock says so.
  /// - Throws: any error when there is no answer: nobody listens, the connection broke.
  func post(_ request: ReportRequest) async throws -> ReportAnswer
}

/// A transport that is a function: a service in the same process, or a test.
public struct InMemoryReportTransport: ReportTransport {
  private let answer: @Sendable (ReportRequest) async throws -> ReportAnswer

  /// Makes a transport that hands every request to a function.
  public init(_ answer: @escaping @Sendable (ReportRequest) async throws -> ReportAnswer) {
    self.answer = answer
  }

  /// Posts one report to the function.
  public func post(_ request: ReportRequest) async throws -> ReportAnswer {
    try await answer(request)
  }
}

/// Reports over HTTP or HTTPS, through a client that keeps connections alive.
///
/// A certificate is checked against the system's roots, or against an authority of your own.
public struct HTTPReportTransport: ReportTransport {
  /// The longest answer that is read; a report's answer is one line.
  private static let maximumAnswerBytes = 1 << 20

  private let client: HTTPClient
  private let owner: ClientOwner?

  /// Makes a transport.
  /// - Parameter client: a client of your own, which brings its own certificates and is shut down
  ///   by you; by default one that all reporters of the process share.
  public init(client: HTTPClient? = nil) {
    self.client = client ?? .singleAttempt
    owner = nil
  }

  /// Makes a transport that trusts certificates of one authority, and of no other.
  /// - Parameter path: a file with the authority's certificates (PEM).
  /// - Throws: `FileError` when the file holds none.
  public init(certificateAuthority path: String) throws(FileError) {
    let certificates: [NIOSSLCertificate]
    do { certificates = try NIOSSLCertificate.fromPEMFile(path) } catch {
      let reason = String(describing: error)
      throw FileError(
        .wrongFormat, path: path, purpose: .certificates, reason: reason,
        message: "certificates \(path): \(reason); "
          + "give a PEM file with the authority's certificate", cause: error)
    }
    var configuration = HTTPClient.Configuration.singleAttempt()
    var security = TLSConfiguration.makeClientConfiguration()
    security.trustRoots = .certificates(certificates)
    configuration.tlsConfiguration = security
    let owner = ClientOwner(
      HTTPClient(eventLoopGroupProvider: .singleton, configuration: configuration))
    self.owner = owner
    client = owner.client
  }

  /// Posts one report.
  public func post(_ request: ReportRequest) async throws -> ReportAnswer {
    var outgoing = HTTPClientRequest(url: request.url)
    outgoing.method = .POST
    outgoing.headers.add(name: "Content-Type", value: "application/json")
    outgoing.headers.add(name: "Accept", value: "application/json")
    outgoing.body = .bytes(ByteBuffer(bytes: request.body))
    // The reporter's clock decides when it is over, the body included; the client's deadline is only a
    // backstop until the answer begins.
    let response = try await client.execute(outgoing, timeout: .hours(1))
    let body = try await response.body.collect(upTo: Self.maximumAnswerBytes)
    return ReportAnswer(
      status: Int(response.status.code),
      retryAfter: response.headers.first(name: "Retry-After").flatMap {
        RetryAfter.pause($0, date: response.headers.first(name: "Date"))
      },
      body: Array(body.readableBytesView))
  }
}

/// Shuts a client down when the last transport that uses it is gone.
private final class ClientOwner: Sendable {
  let client: HTTPClient

  init(_ client: HTTPClient) { self.client = client }

  deinit {
    client.shutdown { error in
      // It was in use no more: what cannot be closed is closed already.
      _ = error
    }
  }
}

extension FileError.Purpose {
  /// A file with an authority's certificates.
  public static let certificates = Self(rawValue: "certificates")
}

/// How long an answer asks to wait (`Retry-After`, RFC 9110 §10.2.3): in seconds, or until a date.
enum RetryAfter {
  /// Reads the field.
  /// - Parameters:
  ///   - field: the field's value.
  ///   - date: the answer's `Date`, which the asked date is compared with where there is one: the
  ///     two come from one clock.
  ///   - unixClock: what time it is otherwise.
  /// - Returns: zero or more; nil when it is neither.
  static func pause(
    _ field: String, date: String?, unixClock: UnixClock = .system
  ) -> Duration? {
    if let seconds = Int64(field) { return seconds < 0 ? nil : .seconds(seconds) }
    guard let until = HTTPDate.seconds(field) else { return nil }
    let now = date.flatMap { HTTPDate.seconds($0) } ?? unixClock.seconds
    return .seconds(max(0, until - now))
  }
}

/// A moment as HTTP spells it (RFC 9110 §5.6.7), in any of the three forms that must be read.
enum HTTPDate {
  private static let months = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
  ]

  /// The moment in unix seconds; nil for what is no date.
  static func seconds(_ text: String) -> Int64? {
    // Sun, 06 Nov 1994 08:49:37 GMT · Sunday, 06-Nov-94 08:49:37 GMT · Sun Nov  6 08:49:37 1994
    let words = text.split { " ,-".contains($0) }
    guard words.count == 5 || words.count == 6 && words[5] == "GMT" else { return nil }
    let isOldest = words.count == 5
    let (day, month) = isOldest ? (words[2], words[1]) : (words[1], words[2])
    let (year, time) = isOldest ? (words[4], words[3]) : (words[3], words[4])
    guard let month = months.firstIndex(of: String(month)), let day = number(day, 1...31),
      let year = self.year(year), let time = seconds(ofDay: time)
    else { return nil }
    return days(year: year, month: month + 1, day: day) * 86_400 + time
  }

  private static func year(_ text: Substring) -> Int64? {
    guard text.count == 2 else { return text.count == 4 ? number(text, 1970...9999) : nil }
    // Two digits are of the last hundred years, or of the next fifty.
    return number(text, 0...99).map { $0 < 70 ? 2000 + $0 : 1900 + $0 }
  }

  private static func seconds(ofDay text: Substring) -> Int64? {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    // The sixtieth second is a leap second.
    guard parts.count == 3, let hours = number(parts[0], 0...23),
      let minutes = number(parts[1], 0...59), let seconds = number(parts[2], 0...60)
    else { return nil }
    return hours * 3600 + minutes * 60 + seconds
  }

  private static func number(_ text: Substring, _ range: ClosedRange<Int64>) -> Int64? {
    guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
    return Int64(text).flatMap { range.contains($0) ? $0 : nil }
  }

  /// The days since 1970-01-01 of a date of the Gregorian calendar; the year begins in March, so
  /// that the leap day is its last.
  private static func days(year: Int64, month: Int, day: Int64) -> Int64 {
    let (year, month) = month > 2 ? (year, month - 3) : (year - 1, month + 9)
    let leapDays = year / 4 - year / 100 + year / 400
    let daysBeforeMonth = Int64(153 * month + 2) / 5
    return year * 365 + leapDays + daysBeforeMonth + day - 1 - 719_468
  }
}

import AsyncPrimitives
import HTTPTypes
public import JSONValues
import Synchronization
import TextKeys

/// The faults of a service, as programs list, order and take them back over HTTP.
///
/// `GET`, `POST` and `DELETE /admin/faults`, and `DELETE /admin/faults/ID`; the same without `/admin`. It is
/// served on a port of its own, never on the one that is under test.
public struct FaultAdministration: Sendable {
  private let list: @Sendable () -> JSONObject
  private let add: @Sendable (JSON) throws -> JSON
  private let remove: @Sendable (String) -> Bool
  private let clear: @Sendable () -> Void
  private let observeUse: @Sendable (@escaping @Sendable (String) -> Void) -> Void

  /// An administration of anything that has faults.
  /// - Parameters:
  ///   - list: The members of the answer to `GET`: `faults`, each with its `id`, and others.
  ///   - add: Adds the fault of an order and returns its id; its error says in a line what is wrong with
  ///     the order.
  ///   - remove: Takes one fault back; false when there is none with this id.
  ///   - clear: Takes all faults back.
  ///   - observeUse: Has a closure called with the id of each fault from here on that has met all that it
  ///     could; nothing by default.
  public init(
    list: @escaping @Sendable () -> JSONObject, add: @escaping @Sendable (JSON) throws -> JSON,
    remove: @escaping @Sendable (String) -> Bool, clear: @escaping @Sendable () -> Void,
    observeUse: @escaping @Sendable (@escaping @Sendable (String) -> Void) -> Void = { _ in }
  ) {
    self.list = list
    self.add = add
    self.remove = remove
    self.clear = clear
    self.observeUse = observeUse
  }

  /// An administration of a server's faults.
  /// - Parameters:
  ///   - script: The faults.
  ///   - read: Reads an order.
  public init(of script: FaultScript, read: @escaping @Sendable (JSON) throws -> FaultRule) {
    self.init(
      list: { script.listing },
      add: { .integer(script.add(try read($0))) },
      remove: { id in Int(id).map { script.remove($0) } ?? false },
      clear: { script.clear() },
      observeUse: { tell in
        script.observe { if case .usedUp(let id) = $0 { tell(id) } }
      })
  }

  /// What was done to a list of faults.
  public enum Change: Sendable, Hashable {
    /// A fault was ordered, and has this id.
    case ordered(id: JSON, order: JSON)
    /// The fault with this id was taken back.
    case takenBack(id: String)
    /// All were taken back.
    case cleared
    /// The fault with this id has met all that it could, and is gone.
    case usedUp(id: String)
  }

  /// The same administration, which tells of each change that was made through it, and of each fault that
  /// was used up.
  /// - Parameter observe: Is called once the change is made; that a fault was used up comes behind its order.
  public func observed(
    by observe: @escaping @Sendable (Change) -> Void
  ) -> FaultAdministration {
    let log = ChangeLog(observe)
    observeUse { log.noteUse(of: $0) }
    let (add, remove, clear) = (add, remove, clear)
    return FaultAdministration(
      list: list,
      add: { order in try log.noteOrder(order) { try add(order) } },
      remove: { id in
        guard remove(id) else { return false }
        log.note(.takenBack(id: id))
        return true
      },
      clear: {
        clear()
        log.note(.cleared)
      })
  }

  /// Holds back that faults were used up while an order is carried out, which may be that fault's.
  private final class ChangeLog: Sendable {
    private struct State: Sendable {
      var orders = 0
      var usedUp: [String] = []
    }

    private let state = Mutex(State())
    private let changes = OrderedChanges<Change>()

    init(_ observer: @escaping @Sendable (Change) -> Void) { changes.observe(observer) }

    func note(_ change: Change) {
      state.withLock { _ in changes.note(change) }
      changes.passOn()
    }

    func noteUse(of id: String) {
      state.withLock { state in
        if state.orders > 0 { state.usedUp.append(id) } else { changes.note(.usedUp(id: id)) }
      }
      changes.passOn()
    }

    func noteOrder(_ order: JSON, _ add: () throws -> JSON) throws -> JSON {
      state.withLock { $0.orders += 1 }
      let result = Result { try add() }
      state.withLock { state in
        if case .success(let id) = result { changes.note(.ordered(id: id, order: order)) }
        state.orders -= 1
        guard state.orders == 0 else { return }
        for id in state.usedUp { changes.note(.usedUp(id: id)) }
        state.usedUp = []
      }
      changes.passOn()
      return try result.get()
    }
  }

  /// Answers a request for the faults; nil for another path.
  public func respond(to request: WebRequest) -> WebResponse? {
    guard let segments = request.administrationSegments, segments.first == "faults",
      segments.count <= 2
    else { return nil }
    switch (request.method, segments.count) {
    case (.get, 1), (.head, 1): return answer(list())
    case (.post, 1):
      do {
        return answer(["id": try add(JSON.parse(request.body))], .created)
      } catch {
        return answer(["error": .string("\(error)")], .badRequest)
      }
    case (.delete, 1):
      clear()
      return answer(list())
    case (.delete, 2):
      guard remove(segments[1]) else {
        return answer(
          ["error": .string("there is no fault \(segments[1]): GET /admin/faults lists them")],
          .notFound)
      }
      return answer(list())
    default:
      let allowed = segments.count == 1 ? "GET, POST, DELETE" : "DELETE"
      var refusal = answer(
        ["error": .string("\(request.path) takes \(allowed), not \(request.method.rawValue)")],
        .methodNotAllowed)
      refusal.headers[.allow] = allowed
      return refusal
    }
  }

  /// Serves the administration on a port of this machine's loopback interface while a body runs.
  /// - Parameters:
  ///   - service: The name of the service, for errors.
  ///   - port: Where to listen; 0 takes any free port.
  ///   - isolation: The actor that `body` runs on; the caller's.
  ///   - body: What is done meanwhile.
  /// - Throws: `ServingError` when it cannot listen, and whatever `body` throws.
  public func withServer<R: Sendable>(
    of service: String, port: Int = 0, isolation: isolated (any Actor)? = #isolation,
    _ body: (ServerAddress) async throws -> R
  ) async throws -> R {
    let server = ServerConfiguration(
      port: port, maximumBodyBytes: 64 << 10, serviceName: "\(service)'s administration")
    return try await withWebServer(
      server,
      respond: { request in
        respond(to: request)
          ?? answer(
            [
              "error": .string(
                "no route \(request.method.rawValue) \(request.path): the faults are at /admin/faults"
              )
            ], .notFound)
      }, body)
  }

  private func answer(
    _ members: JSONObject, _ status: HTTPResponse.Status = .ok
  ) -> WebResponse {
    .json(JSON.object(members).serialized(), status: status)
  }
}

extension FaultScript {
  /// The faults that are left, and how many requests met one.
  fileprivate var listing: JSONObject {
    [
      "met": .integer(met.count),
      "faults": .array(
        remainingRules.map { id, rule, schedule in
          var object: JSONObject = ["id": .integer(id)]
          for member in rule.order?.members ?? [] { object[member.key] = member.value }
          for member in schedule.json.members { object[member.key] = member.value }
          return .object(object)
        }),
    ]
  }
}

extension WebRequest {
  /// The segments of the path, without `admin` in front.
  package var administrationSegments: [String]? {
    guard path.starts(withExactly: "/") else { return nil }
    var segments = path.utf8.dropFirst()
      .split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false)
      .map { String(decoding: $0, as: UTF8.self) }
    if segments.first == "admin" { segments.removeFirst() }
    return segments
  }
}

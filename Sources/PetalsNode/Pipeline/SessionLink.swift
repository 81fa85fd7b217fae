/// A generation's session on one node of its way.
struct SessionLink: Sendable {
  let hop: Route.Hop
  let session: any BlockSession
  /// Nil for the first node, whose input the client can make again, and where there is no room.
  var log: ReplayLog?
}

extension [SessionLink] {
  /// The way that these sessions make.
  var route: Route { Route(hops: map(\.hop)) }

  /// The nearest node, at `index` or before it, whose whole input is at hand: the first one's
  /// always is.
  func nearestKept(_ index: Int) -> Int {
    var nearest = index
    while nearest > 0, self[nearest].log == nil { nearest -= 1 }
    return nearest
  }
}

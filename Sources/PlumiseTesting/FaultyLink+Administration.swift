public import MockServing
import JSONValues

extension FaultAdministration {
  /// The faults of connections over links, for programs.
  ///
  /// An order is a ``LinkFaultRule`` in JSON with the name of its `link`; the name may be missing where there is
  /// one link alone. An id is `NAME:NUMBER`. `DELETE` also forwards what links hold.
  /// - Parameter links: The links, by their names.
  public init(links: [(name: String, link: FaultyLink)]) {
    self.init(
      list: {
        [
          "faults": .array(
            links.flatMap { name, link in
              link.remaining.map { id, rule in
                var object: JSONObject = ["id": .string("\(name):\(id)"), "link": .string(name)]
                for member in rule.json.objectValue?.members ?? [] {
                  object[member.key] = member.value
                }
                return JSON.object(object)
              }
            })
        ]
      },
      add: { order in
        var object = order.objectValue ?? [:]
        let name = object["link"]?.stringValue ?? (links.count == 1 ? links[0].name : nil)
        guard let (name, link) = links.first(where: { $0.name == name }) else {
          let names = links.map(\.name).joined(separator: ", ")
          throw FaultScheduleError("link", "must be one of \(names)")
        }
        object["link"] = nil
        return .string("\(name):\(link.add(try LinkFaultRule(json: .object(object))))")
      },
      remove: { id in
        let parts = id.split(separator: ":")
        guard parts.count == 2, let number = Int(parts[1]),
          let (_, link) = links.first(where: { $0.name == parts[0] })
        else { return false }
        return link.remove(number)
      },
      clear: { for (_, link) in links { link.release() } },
      observeUse: { tell in
        for (name, link) in links {
          link.observe { if case .fault(.usedUp(let id)) = $0 { tell("\(name):\(id)") } }
        }
      })
  }
}

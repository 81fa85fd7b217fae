/// Elements in the order they came, taken from the front at no cost that grows with their number.
struct Queue<Element: Sendable>: Sendable {
  private var slots: [Element?] = []
  private var head = 0

  /// How many elements there are.
  var count: Int { slots.count - head }

  /// The elements, oldest first.
  var elements: [Element] { slots[head...].compactMap { $0 } }

  mutating func append(_ element: Element) { slots.append(element) }

  /// Takes the oldest element; nil when there is none.
  mutating func popFirst() -> Element? {
    guard head < slots.count else { return nil }
    let element = slots[head]
    slots[head] = nil
    head += 1
    // Half of the slots are empty: moving the other half is paid for by those that left.
    if head > 16, head * 2 > slots.count {
      slots.removeFirst(head)
      head = 0
    }
    return element
  }
}

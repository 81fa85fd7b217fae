import AsyncPrimitives
import Testing

@Suite("Changes in their order", .timeLimit(.minutes(5)))
struct OrderedChangesTests {
  @Test("Observers get the changes in the order of the lock, whoever passes them on")
  func order() async {
    let changes = OrderedChanges<Int>()
    let seen = AsyncState<[Int]>([])
    changes.observe { change in seen.update { $0.append(change) } }
    let count = AsyncState(0)
    await withTaskGroup { group in
      for _ in 0..<8 {
        group.addTask {
          for _ in 0..<500 {
            count.update { count in
              changes.note(count)
              count += 1
            }
            changes.passOn()
          }
        }
      }
    }
    #expect(seen.value == Array(0..<4_000))
  }

  @Test("An observer may make a change itself, which follows the one that it was called with")
  func nested() {
    let changes = OrderedChanges<Int>()
    let seen = AsyncState<[Int]>([])
    changes.observe { change in
      if change < 3 {
        changes.note(change + 1)
        changes.passOn()
      }
      seen.update { $0.append(change) }
    }
    changes.note(0)
    changes.passOn()
    #expect(seen.value == [0, 1, 2, 3])
  }

  @Test("What was noted before anybody observed is passed on to nobody")
  func late() {
    let changes = OrderedChanges<Int>()
    let seen = AsyncState<[Int]>([])
    changes.note(1)
    changes.observe { change in seen.update { $0.append(change) } }
    changes.note(2)
    changes.passOn()
    #expect(seen.value == [2])
  }
}

import Bloom
import PetalsNode
import TestVectors
import Testing

@Suite("The queue in which generations wait for their tokens", .timeLimit(.minutes(5)))
struct ChoiceQueueTests {
  private struct Refusal: Error {}

  let head: LanguageModelHead
  let states: HiddenStates

  init() throws {
    let model = try TinyModel()
    head = LanguageModelHead(model.checkpoint)
    states = try model.hidden("case3.embeddings")
  }

  private func queue() -> (ChoiceQueue, Rounds) {
    let (rounds, head) = (Rounds(), head)
    let queue = ChoiceQueue(submit: { rounds.submit($0) }) {
      try head.logitsHere($0, lastOnly: false)
    }
    return (queue, rounds)
  }

  private func state(_ number: Int) -> HiddenStates {
    let row = number % states.tokens
    return states.slice(row..<row + 1)
  }

  @Test("Scores that are made together are those of a generation alone", arguments: [1, 2, 5, 16])
  func together(_ count: Int) async throws {
    let (queue, rounds) = queue()
    let choices = (0..<count).map { number in
      Task {
        try await queue.choose(after: state(number)) { scores in
          // The scores themselves, where the next input would be.
          .init(
            id: Int32(number),
            embedding: try HiddenStates(
              tokens: 1, hidden: scores.count, values: Array(scores)))
        }
      }
    }
    try await queue.waitUntilWaiting(count)
    try await rounds.run()
    for (number, choice) in choices.enumerated() {
      let (id, found) = (try await choice.value.id, try await choice.value.embedding.values)
      let alone = try await head.logits(state(number)).values
      #expect(id == number)
      let closeness = Closeness(of: found, to: alone)
      #expect(
        closeness.worst <= Closeness.float32, "generation \(number) of \(count): \(closeness)")
    }
  }

  @Test("More than a round takes wait for the next one")
  func nextRound() async throws {
    let (queue, rounds) = queue()
    let count = ChoiceQueue.mostRows + 3
    let choices = (0..<count).map { number in
      Task {
        try await queue.choose(after: state(number)) { _ in
          .init(id: Int32(number), embedding: state(number))
        }
      }
    }
    try await queue.waitUntilWaiting(count)
    try await rounds.run()
    try await queue.waitUntilWaiting(3)
    try await rounds.run()
    for (number, choice) in choices.enumerated() {
      #expect(try await choice.value.id == number)
    }
  }

  @Test("One that is cancelled or fails does not disturb the others")
  func others() async throws {
    let (queue, rounds) = queue()
    let choices = (0..<3).map { number in
      Task {
        try await queue.choose(after: state(number)) { _ in
          if number == 1 { throw Refusal() }
          return .init(id: Int32(number), embedding: state(number))
        }
      }
    }
    try await queue.waitUntilWaiting(3)
    choices[0].cancel()
    await #expect(throws: CancellationError.self) { try await choices[0].value }
    try await rounds.run()
    await #expect(throws: Refusal.self) { try await choices[1].value }
    #expect(try await choices[2].value.id == 2)
  }
}

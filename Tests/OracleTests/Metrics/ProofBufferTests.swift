import EthereumPrimitives
import InferenceMetrics
import PlumiseWire
import Testing

@Suite("Proof buffer", .timeLimit(.minutes(5))) struct ProofBufferTests {
  private func proof(_ number: Int) -> InferenceProof {
    InferenceProof(
      model: "m", input: "in \(number)", output: "out", agent: .zero, tokenCount: Int64(number))
  }

  @Test("A batch that was not acknowledged comes again")
  func keptUntilAcknowledged() {
    let buffer = ProofBuffer()
    (1...5).map(proof).forEach(buffer.append)
    let batch = buffer.batch(limit: 3)
    #expect(batch.proofs == [proof(1), proof(2), proof(3)])
    #expect(buffer.batch(limit: 3) == batch)
    #expect(buffer.count == 5)
  }

  @Test("Acknowledging lets go of exactly the batch, once")
  func acknowledged() {
    let buffer = ProofBuffer()
    (1...5).map(proof).forEach(buffer.append)
    let batch = buffer.batch(limit: 3)
    buffer.append(proof(6))
    buffer.acknowledge(batch)
    buffer.acknowledge(batch)
    #expect(buffer.pending == [proof(4), proof(5), proof(6)])
    buffer.acknowledge(buffer.batch())
    #expect(buffer.pending.isEmpty && buffer.batch().isEmpty)
  }
}

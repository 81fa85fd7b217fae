import Bloom
import EthereumPrimitives
import GRPCCore
import PipelineRPC

/// The service that the network's newer agents speak: `plumise.inference.InferencePipeline`
/// (NodeProtocol.md).
///
/// A pass has no session: it computes what it is given, without a cache. What fails in a pass is
/// said in the answer's own `success` and `error`; a stream ends with a gRPC status.
struct InferencePipelineService: Plumise_Inference_InferencePipeline.SimpleServiceProtocol {
  let server: BlockServer
  let generator: TextGenerator
  /// How long a client may take to read what it was sent.
  let clientPatience: Duration
  let clock: any Clock<Duration>

  func forwardPass(
    request: Plumise_Inference_ForwardRequest, context: ServerContext
  ) async throws -> Plumise_Inference_ForwardResponse {
    let watch = Stopwatch(clock)
    var response: Plumise_Inference_ForwardResponse
    do {
      response = try await ForwardPass(server: server, generator: generator, request: request)
        .run(watch)
      response.success = true
    } catch let error as CancellationError {
      throw RPCError(handling: error)
    } catch let error as NodeError {
      response = Plumise_Inference_ForwardResponse()
      response.error = error.message
    } catch {
      response = Plumise_Inference_ForwardResponse()
      response.error = "\(error)"
    }
    response.requestID = request.requestID
    response.latencyMs = Float(watch.elapsed / .milliseconds(1))
    return response
  }

  func forwardPassStream(
    request: Plumise_Inference_ForwardRequest,
    response: RPCWriter<Plumise_Inference_TokenChunk>, context: ServerContext
  ) async throws {
    try await answering {
      let text = try request.textRequest(generator.defaults)
      let reading = TimeWatch(limit: clientPatience, clock: clock)
      try await reading.unlessOverdue(
        NodeError(.deadlineExceeded, "the client read nothing for \(clientPatience)")
      ) {
        _ = try await generator.generate(text) { chunk in
          reading.begin()
          defer { reading.end() }
          try await response.write(chunk.message(for: request.requestID))
        }
      }
    }
  }

  func getLayerInfo(
    request: Plumise_Inference_Empty, context: ServerContext
  ) async throws -> Plumise_Inference_LayerInfoResponse {
    let info = server.info
    var response = Plumise_Inference_LayerInfoResponse()
    response.modelName = info.modelName
    response.layerStart = Int32(clamping: info.blocks.lowerBound)
    response.layerEnd = Int32(clamping: info.blocks.upperBound)
    response.totalLayers = Int32(clamping: info.blocks.layerCount)
    response.device = "cpu"
    response.isReady = info.isReady
    return response
  }

  func ping(
    request: Plumise_Inference_Empty, context: ServerContext
  ) async throws -> Plumise_Inference_PingResponse {
    let info = server.info
    var response = Plumise_Inference_PingResponse()
    response.agentAddress = info.agent?.checksummed ?? ""
    response.modelName = info.modelName
    response.layerStart = Int32(clamping: info.blocks.lowerBound)
    response.layerEnd = Int32(clamping: info.blocks.upperBound)
    response.isReady = info.isReady
    response.uptimeSeconds = info.uptime.components.seconds
    return response
  }
}

extension TextChunk {
  fileprivate func message(for requestID: String) -> Plumise_Inference_TokenChunk {
    var message = Plumise_Inference_TokenChunk()
    message.requestID = requestID
    message.tokenID = id
    message.tokenText = text
    message.isFinished = finishReason != nil
    message.finishReason = finishReason?.rawValue ?? ""
    return message
  }
}

/// One transformer block's weights; an object, so that a pass copies none of its parts.
final class Block: Sendable {
  let inputNorm: LayerNorm
  /// Rows in the order [head, query/key/value, element].
  let queryKeyValue: Linear
  let dense: Linear
  let outputNorm: LayerNorm
  let up: Linear
  let down: Linear
  let residualAfterLayerNorm: Bool

  init(_ checkpoint: Checkpoint, index: Int) {
    func linear(
      _ weight: CheckpointLayout.BlockTensor, _ bias: CheckpointLayout.BlockTensor
    ) -> Linear {
      Linear(checkpoint, weight: weight.name(block: index), bias: bias.name(block: index))
    }
    inputNorm = LayerNorm(checkpoint, "h.\(index).input_layernorm")
    queryKeyValue = linear(.queryKeyValueWeight, .queryKeyValueBias)
    dense = linear(.denseWeight, .denseBias)
    outputNorm = LayerNorm(checkpoint, "h.\(index).post_attention_layernorm")
    up = linear(.upWeight, .upBias)
    down = linear(.downWeight, .downBias)
    residualAfterLayerNorm = checkpoint.configuration.residualAfterLayerNorm
  }

  /// Replaces `workspace.states` [tokens, hidden] by the block's output (Numerics.md, The model).
  ///
  /// `attend` turns `workspace.queryKeyValue` into `workspace.context`.
  func forward(_ workspace: Workspace, tokens: Int, attend: () -> Void) {
    let x = workspace.states.pointer
    let normal = workspace.normal.pointer
    let middle = workspace.middle.pointer
    inputNorm.apply(x, tokens: tokens, into: normal)
    queryKeyValue.apply(normal, tokens: tokens, into: workspace.queryKeyValue.pointer)
    attend()
    dense.apply(
      workspace.context.pointer, tokens: tokens, into: middle,
      then: .adding(residualAfterLayerNorm ? normal : x))
    outputNorm.apply(middle, tokens: tokens, into: normal)
    up.apply(normal, tokens: tokens, into: workspace.inner.pointer, then: .gelu)
    down.apply(
      workspace.inner.pointer, tokens: tokens, into: x,
      then: .adding(residualAfterLayerNorm ? normal : middle))
  }
}

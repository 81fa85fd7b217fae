// Every kernel, for the instruction set of the file that includes this, and their table.
//
// Such a file defines WIDTH (floats in a register), VARIANT_TABLE and VARIANT_NAME.

#include "wide.h"

#include "attention.h"
#include "convert.h"
#include "elementwise.h"
#include "gelu.h"
#include "integers.h"
#include "layer_norm.h"
#include "products.h"
#include "random.h"

const bloom_kernels VARIANT_TABLE = {
  .name = VARIANT_NAME,
  .layer_norm = layer_norm,
  .layer_norm_backward = layer_norm_backward,
  .gelu = gelu,
  .gelu_backward = gelu_backward,
  .add = add,
  .argmax = argmax,
  .largest_magnitude = largest_magnitude,
  .exponentials = exponentials,
  .attend = attend,
  .causal_softmax = causal_softmax,
  .causal_softmax_backward = causal_softmax_backward,
  .to_float = to_float,
  .from_float = from_float,
  .matrix_vectors = matrix_vectors,
  .q8_pack = q8_pack,
  .q8_to_float = q8_to_float,
  .q8_round = q8_round,
  .q8_matrix_vectors = q8_matrix_vectors,
  .uniform = uniform,
  .uniform_pairs = uniform_pairs,
  .signs = signs,
};

// Every kernel, for the instruction set of the file that includes this, and their table.
//
// Such a file defines WIDTH (floats in a register), VARIANT_TABLE and VARIANT_NAME, and VARIANT_TILES,
// the number of vectors from which its tile registers are faster, where it has any.

#include "wide.h"

#include "convert.h"
#include "elementwise.h"
#include "gelu.h"
#include "integers.h"
#include "layer_norm.h"
#include "nibble_weights.h"
#include "products.h"
#include "random.h"

// Built upon products.
#include "attention.h"
#if defined(VARIANT_TILES)
#include "tile_products.h"
#endif

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
  .attend_rows = attend_rows,
  .store_f16 = store_f16,
  .dot = dot,
  .causal_softmax = causal_softmax,
  .causal_softmax_backward = causal_softmax_backward,
  .to_float = to_float,
  .from_float = from_float,
  .matrix_vectors = matrix_vectors,
  .q8_pack = q8_pack,
  .q8_to_float = q8_to_float,
  .q8_round = q8_round,
  .q8_matrix_vectors = q8_matrix_vectors,
  .q4_pack = q4_pack,
  .q4_to_float = q4_to_float,
  .q4_matrix_vectors = q4_matrix_vectors,
  .uniform = uniform,
  .uniform_pairs = uniform_pairs,
  .signs = signs,
#if defined(VARIANT_TILES)
  .tile_vectors = VARIANT_TILES,
  .tile_bytes = tile_bytes,
  .tile_pack = tile_pack,
  .tile_product = tile_product,
#endif
};

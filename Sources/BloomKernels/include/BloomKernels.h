// What a BLAS does not do for a BLOOM model, compiled once per instruction set.
// Each function runs the best one that the processor has, or the one that the environment names
// (`BLOOM_KERNELS`); `bloom_kernels_of` gives any.
//
// Legend of shapes: T tokens, H hidden size, R rows and C columns of a weight matrix, d head size.
// Every matrix is row-major and dense unless a leading dimension (`ld…`, in elements) is named.
// No function allocates, locks or keeps state, so any number of threads may call any of them.
#ifndef BLOOM_KERNELS_H
#define BLOOM_KERNELS_H

#include <stddef.h>
#include <stdint.h>

// How a stored element is encoded.
typedef enum bloom_element {
  BLOOM_F32 = 0,   // IEEE 754 binary32
  BLOOM_F16 = 1,   // IEEE 754 binary16
  BLOOM_BF16 = 2,  // the upper half of a binary32
} bloom_element;

// What the kernels are compiled for, each set in a file of its own.
typedef enum bloom_instructions {
  BLOOM_PORTABLE = 0,  // the build's baseline: SSE2 on x86-64, NEON on arm64
  BLOOM_AVX2 = 1,      // with FMA and F16C
  BLOOM_AVX512 = 2,    // F, BW, CD, DQ and VL; VNNI where there is one
  BLOOM_AMX = 3,       // AVX-512, and tiles of bf16 and of 8-bit integers
  BLOOM_TILES = 4,     // the baseline with emulated tiles: slow, for tests on any processor
} bloom_instructions;

// How many there are: each is below.
#define BLOOM_SETS 5

// The best instruction set of this processor. Asks the system for the use of tiles, once.
bloom_instructions bloom_best_instructions(void);

// The set that the kernels use, and its name: the best, unless BLOOM_KERNELS names another one that
// this processor has when a kernel is first called.
bloom_instructions bloom_used_instructions(void);
const char *bloom_instruction_set(void);

// Tells the processor that the calling thread is waiting in a loop.
void bloom_pause(void);

// Names the calling thread, in at most 15 bytes, for debuggers and for tools such as top. On Linux a
// thread begins with its maker's name.
void bloom_name_thread(const char *name);

// ---- Normalisation -------------------------------------------------------------------------

// y[t] = (x[t] - mean) / sqrt(variance + epsilon) * weight + bias, for each of `rows` rows of
// `columns` elements. y may be x.
void bloom_layer_norm(
    const float *x, long rows, long columns, const float *weight, const float *bias,
    float epsilon, float *y);

// dx += the gradient of the layer norm of x, given the gradient dy of its result.
void bloom_layer_norm_backward(
    const float *x, const float *dy, long rows, long columns, const float *weight,
    float epsilon, float *dx);

// ---- Activation ----------------------------------------------------------------------------

// x = 0.5 x (1 + tanh(0.79788456 x (1 + 0.044715 x^2))), in place.
void bloom_gelu(float *x, long count);

// dy *= the derivative of bloom_gelu at x.
void bloom_gelu_backward(const float *x, float *dy, long count);

// ---- Elementwise ---------------------------------------------------------------------------

// y += x.
void bloom_add(const float *x, long count, float *y);

// The sum of the products of a's and b's elements.
float bloom_dot(const float *a, const float *b, long count);

// The index of the largest element; the first of equals. -1 for none.
long bloom_argmax(const float *x, long count);

// The largest magnitude of x; infinite when an element is an infinity or no number.
float bloom_largest_magnitude(const float *x, long count);

// x = exp((x - largest) * inverseTemperature); returns the sum.
float bloom_exponentials(float *x, long count, float largest, float inverseTemperature);

// ---- Attention -----------------------------------------------------------------------------

// Keys of 16 bits lie in panels of so many, turned: their first elements, then their second ones, and so on.
#define BLOOM_KEY_PANEL 16

// One query against `length` keys, the last of which is the query's own position:
// y = softmax(scale * q.k[j] + slope * j) v. Values are [length, d], and so are keys, both BLOOM_F32; or both
// BLOOM_F16, and keys are [panels, d, BLOOM_KEY_PANEL], the last panel whole whatever it holds behind the last
// key. scores is scratch for `length`, rounded up to whole panels. A probability below e^-60 of the largest is
// zero.
void bloom_attend(
    bloom_element element, const float *query, const void *keys, const void *values, long length,
    long d, float scale, float slope, float *scores, float *y);

// As bloom_attend, for `rows` queries, ldq apart, of which the first is at position `first`; y [rows, d],
// ldy apart. scores is scratch for rows * (first + rows).
void bloom_attend_rows(
    bloom_element element, const float *queries, long ldq, long rows, const void *keys,
    const void *values, long first, long d, float scale, float slope, float *scores, float *y,
    long ldy);

// Rounds to BLOOM_F16, to nearest, ties to even, elements `step` apart in target: a key of a panel, or a value. The
// sum of the squares of what was stored: infinite when an element does not fit (65 520 and more round to
// infinity), no number when one is none.
float bloom_store_f16(const float *x, long count, long step, uint16_t *target);

// scores [rows, length] holds raw products q.k. Row r is the query at position first + r: it sees
// keys 0...first + r. Each row becomes softmax(scale * score + slope * j), zero beyond.
void bloom_causal_softmax(
    float *scores, long rows, long length, long first, float scale, float slope);

// dp [rows, length] holds the gradient of the probabilities p; it becomes that of the raw products.
void bloom_causal_softmax_backward(
    const float *p, float *dp, long rows, long length, float scale);

// ---- Stored elements -----------------------------------------------------------------------

void bloom_to_float(bloom_element element, const void *source, long count, float *target);

// Rounds to nearest, ties to even.
void bloom_from_float(bloom_element element, const float *source, long count, void *target);

// Copies a tile of `rows` rows and `columns` columns out of a stored matrix whose rows are
// `ld` elements apart into a dense float matrix.
void bloom_tile_to_float(
    bloom_element element, const void *source, long rows, long columns, long ld, float *target);

// y[v, r] = sum over c of w[r, c] * x[v, c] (+ bias[r] when bias is not NULL), for `vectors`
// vectors of `columns` elements, ldx and ldy apart. The weights are read once for all vectors.
void bloom_matrix_vectors(
    bloom_element element, const void *w, long rows, long columns, const float *x, long ldx,
    long vectors, const float *bias, float *y, long ldy);

// ---- 8-bit weights -------------------------------------------------------------------------

// Neighbours in a row that share a scale; a row of C columns has G = ceil(C / 64) of them.
#define BLOOM_Q8_GROUP 64

// w [rows, columns] and scales [rows, G] of x [rows, columns]: x ~ w * scale, w in -127 ... 127,
// scale = the group's largest magnitude / 127. Halves round to even.
void bloom_q8_pack(const float *x, long rows, long columns, int8_t *w, float *scales);

// Rows row ..< row + rows and columns column ..< column + span of w, as a dense float matrix.
void bloom_q8_to_float(
    const int8_t *w, const float *scales, long columns, long row, long rows, long column,
    long span, float *target);

// integers [vectors, columns] and steps [vectors, G] of the dense x [vectors, columns]:
// x ~ integer * step, integers in -32767 ... 32767.
void bloom_q8_round(
    const float *x, long vectors, long columns, int16_t *integers, float *steps);

// bloom_matrix_vectors for 8-bit weights and vectors that were rounded by bloom_q8_round.
void bloom_q8_matrix_vectors(
    const int8_t *w, const float *scales, long rows, long columns, const int16_t *x,
    const float *steps, long vectors, const float *bias, float *y, long ldy);

// ---- 4-bit weights -------------------------------------------------------------------------

// Neighbours in a row that share a scale, and the bytes that they fill; a row of C columns has
// G = ceil(C / 64) such groups, the last one filled up with zeros.
#define BLOOM_Q4_GROUP 64
#define BLOOM_Q4_GROUP_BYTES 32

// w [rows, G, 32 bytes] and scales [rows, G] as bf16 of x [rows, columns]: x ~ w * scale, w in -8 ... 7. Of
// four scales with which the largest magnitude becomes about -8 the one that loses least.
void bloom_q4_pack(const float *x, long rows, long columns, uint8_t *w, uint16_t *scales);

// Rows row ..< row + rows and columns column ..< column + span of w, as a dense float matrix.
void bloom_q4_to_float(
    const uint8_t *w, const uint16_t *scales, long columns, long row, long rows, long column,
    long span, float *target);

// bloom_matrix_vectors for 4-bit weights and vectors that were rounded by bloom_q8_round.
void bloom_q4_matrix_vectors(
    const uint8_t *w, const uint16_t *scales, long rows, long columns, const int16_t *x,
    const float *steps, long vectors, const float *bias, float *y, long ldy);

// ---- Products by tiles ---------------------------------------------------------------------

// Weights that tile registers multiply.
typedef enum bloom_tiles {
  BLOOM_TILES_BF16 = 0,  // vectors as three bf16 terms: their 24 bits
  BLOOM_TILES_Q8 = 1,    // vectors as two 8-bit integers, 64 to a step
} bloom_tiles;

// From so many vectors on, tiles are faster than the set's other products; the largest number without
// tiles.
long bloom_tile_vectors(void);

// Bytes of vectors that are packed for tiles; 0 where the set has none, or for a number of columns that
// does not fill them (a multiple of 32, or 64 for 8-bit weights).
size_t bloom_tile_bytes(bloom_tiles kind, long vectors, long columns);

// Packs vectors, ldx apart, into so many bytes at a multiple of 64.
void bloom_tile_pack(
    bloom_tiles kind, const float *x, long ldx, long vectors, long columns, void *packed);

// bloom_matrix_vectors for packed vectors; 8-bit weights have scales.
void bloom_tile_product(
    bloom_tiles kind, const void *w, const float *scales, long rows, long columns,
    const void *packed, long vectors, const float *bias, float *y, long ldy);

// ---- Seeded weights ------------------------------------------------------------------------

// Elements first ..< first + count of the seed's stream: uniform in [-limit, limit), encoded as
// `element`. The same for every processor and for every way of cutting the stream.
void bloom_uniform(
    uint64_t seed, uint64_t first, long count, float limit, bloom_element element, void *target);

// The same stream in pairs: elements 2i and 2i + 1 are element i of the stream and its negative.
void bloom_uniform_pairs(
    uint64_t seed, uint64_t first, long count, float limit, bloom_element element, void *target);

// The same stream's signs: +1 or -1 times `magnitude`.
void bloom_signs(
    uint64_t seed, uint64_t first, long count, float magnitude, bloom_element element,
    void *target);

// ---- One instruction set -------------------------------------------------------------------

// The functions above for one instruction set; each is named there without `bloom_`. Those of tiles are
// NULL in a set without them.
typedef struct bloom_kernels {
  const char *name;
  void (*layer_norm)(
      const float *x, long rows, long columns, const float *weight, const float *bias, float
      epsilon, float *y);
  void (*layer_norm_backward)(
      const float *x, const float *dy, long rows, long columns, const float *weight, float
      epsilon, float *dx);
  void (*gelu)(float *x, long count);
  void (*gelu_backward)(const float *x, float *dy, long count);
  void (*add)(const float *x, long count, float *y);
  long (*argmax)(const float *x, long count);
  float (*largest_magnitude)(const float *x, long count);
  float (*exponentials)(float *x, long count, float largest, float inverseTemperature);
  void (*attend)(
      bloom_element element, const float *query, const void *keys, const void *values, long
      length, long d, float scale, float slope, float *scores, float *y);
  void (*attend_rows)(
      bloom_element element, const float *queries, long ldq, long rows, const void *keys, const
      void *values, long first, long d, float scale, float slope, float *scores, float *y, long
      ldy);
  float (*store_f16)(const float *x, long count, long step, uint16_t *target);
  float (*dot)(const float *a, const float *b, long count);
  void (*causal_softmax)(
      float *scores, long rows, long length, long first, float scale, float slope);
  void (*causal_softmax_backward)(const float *p, float *dp, long rows, long length, float scale);
  void (*to_float)(bloom_element element, const void *source, long count, float *target);
  void (*from_float)(bloom_element element, const float *source, long count, void *target);
  void (*matrix_vectors)(
      bloom_element element, const void *w, long rows, long columns, const float *x, long ldx,
      long vectors, const float *bias, float *y, long ldy);
  void (*q8_pack)(const float *x, long rows, long columns, int8_t *w, float *scales);
  void (*q8_to_float)(
      const int8_t *w, const float *scales, long columns, long row, long rows, long column, long
      span, float *target);
  void (*q8_round)(const float *x, long vectors, long columns, int16_t *integers, float *steps);
  void (*q8_matrix_vectors)(
      const int8_t *w, const float *scales, long rows, long columns, const int16_t *x, const
      float *steps, long vectors, const float *bias, float *y, long ldy);
  void (*q4_pack)(const float *x, long rows, long columns, uint8_t *w, uint16_t *scales);
  void (*q4_to_float)(
      const uint8_t *w, const uint16_t *scales, long columns, long row, long rows, long column, long
      span, float *target);
  void (*q4_matrix_vectors)(
      const uint8_t *w, const uint16_t *scales, long rows, long columns, const int16_t *x, const
      float *steps, long vectors, const float *bias, float *y, long ldy);
  void (*uniform)(
      uint64_t seed, uint64_t first, long count, float limit, bloom_element element, void
      *target);
  void (*uniform_pairs)(
      uint64_t seed, uint64_t first, long count, float limit, bloom_element element, void
      *target);
  void (*signs)(
      uint64_t seed, uint64_t first, long count, float magnitude, bloom_element element, void
      *target);
  long tile_vectors;
  size_t (*tile_bytes)(bloom_tiles kind, long vectors, long columns);
  void (*tile_pack)(
      bloom_tiles kind, const float *x, long ldx, long vectors, long columns, void *packed);
  void (*tile_product)(
      bloom_tiles kind, const void *w, const float *scales, long rows, long columns, const void
      *packed, long vectors, const float *bias, float *y, long ldy);
} bloom_kernels;

// The kernels of an instruction set; NULL when this processor or build has it not.
const bloom_kernels *bloom_kernels_of(bloom_instructions set);

#endif

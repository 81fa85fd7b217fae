// What a BLAS does not do for a BLOOM model, compiled once per instruction set.
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

// The name of the instruction set that the half-precision products use on this processor.
const char *bloom_instruction_set(void);

// Tells the processor that the calling thread is waiting in a loop.
void bloom_pause(void);

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

// The index of the largest element; the first of equals. -1 for none.
long bloom_argmax(const float *x, long count);

// The largest magnitude of x; infinite when an element is an infinity or no number.
float bloom_largest_magnitude(const float *x, long count);

// x = exp((x - largest) * inverseTemperature); returns the sum.
float bloom_exponentials(float *x, long count, float largest, float inverseTemperature);

// ---- Attention -----------------------------------------------------------------------------

// One query against `length` keys, the last of which is the query's own position:
// y = softmax(scale * q.k[j] + slope * j) v. keys and values are [length, d]; scores holds `length`.
void bloom_attend(
    const float *query, const float *keys, const float *values, long length, long d,
    float scale, float slope, float *scores, float *y);

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

#endif

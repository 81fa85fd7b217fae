// Every kernel of every set that this processor has, in buffers that end where they should: for the address and
// the undefined-behaviour sanitizer (Scripts/sanitize-kernels.sh). The tests compare the results.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "BloomKernels.h"

static const bloom_kernels *kernels;

// Exactly so many bytes, which begin with some garbage of their own.
static void *bytes(size_t count) {
  char *p = malloc(count > 0 ? count : 1);
  memset(p, 1, count);
  return p;
}

static float *floats(long count, unsigned seed) {
  float *p = bytes((size_t)count * sizeof *p);
  for (long i = 0; i < count; i++) {
    seed = seed * 1664525u + 1013904223u;
    p[i] = (float)(int)(seed >> 8) / 8388608.0f - 1.0f;
  }
  return p;
}

static void products(long rows, long columns, long vectors) {
  float *source = floats(rows * columns, 1), *x = floats(vectors * columns, 2);
  float *bias = floats(rows, 3), *y = floats(vectors * rows, 4);
  for (int element = BLOOM_F32; element <= BLOOM_BF16; element++) {
    void *w = bytes((size_t)(rows * columns) * (element == BLOOM_F32 ? 4 : 2));
    kernels->from_float((bloom_element)element, source, rows * columns, w);
    kernels->matrix_vectors(
        (bloom_element)element, w, rows, columns, x, columns, vectors, bias, y, rows);
    kernels->matrix_vectors(
        (bloom_element)element, w, rows, columns, x, columns, vectors, NULL, y, rows);
    kernels->to_float((bloom_element)element, w, rows * columns, source);
    if (element == BLOOM_BF16 && kernels->tile_product != NULL) {
      const size_t size = kernels->tile_bytes(BLOOM_TILES_BF16, vectors, columns);
      if (size > 0) {
        void *packed = aligned_alloc(64, (size + 63) / 64 * 64);
        kernels->tile_pack(BLOOM_TILES_BF16, x, columns, vectors, columns, packed);
        kernels->tile_product(
            BLOOM_TILES_BF16, w, NULL, rows, columns, packed, vectors, bias, y, rows);
        free(packed);
      }
    }
    free(w);
  }
  const long groups = (columns + BLOOM_Q8_GROUP - 1) / BLOOM_Q8_GROUP;
  int8_t *w = bytes((size_t)(rows * columns));
  float *scales = floats(rows * groups, 5), *steps = floats(vectors * groups, 6);
  int16_t *integers = bytes((size_t)(vectors * columns) * 2);
  kernels->q8_pack(source, rows, columns, w, scales);
  kernels->q8_round(x, vectors, columns, integers, steps);
  kernels->q8_matrix_vectors(w, scales, rows, columns, integers, steps, vectors, bias, y, rows);
  kernels->q8_to_float(w, scales, columns, 0, rows, columns / 3, columns - columns / 3, source);
  if (kernels->tile_product != NULL) {
    const size_t size = kernels->tile_bytes(BLOOM_TILES_Q8, vectors, columns);
    if (size > 0) {
      void *packed = aligned_alloc(64, (size + 63) / 64 * 64);
      kernels->tile_pack(BLOOM_TILES_Q8, x, columns, vectors, columns, packed);
      kernels->tile_product(
          BLOOM_TILES_Q8, w, scales, rows, columns, packed, vectors, bias, y, rows);
      free(packed);
    }
  }
  free(source), free(x), free(bias), free(y), free(w), free(scales), free(steps), free(integers);
}

static void attention(long first, long rows, long d) {
  const long length = first + rows;
  float *queries = floats(rows * d, 1), *keys = floats(length * d, 2);
  float *values = floats(length * d, 3), *y = floats(rows * d, 4);
  float *scores = floats(rows * length, 5), *gradient = floats(rows * length, 6);
  const long panels = (length + BLOOM_KEY_PANEL - 1) / BLOOM_KEY_PANEL;
  float *few = floats(panels * BLOOM_KEY_PANEL, 7);
  uint16_t *halves[2] = {
    bytes((size_t)(panels * BLOOM_KEY_PANEL * d) * 2), bytes((size_t)(length * d) * 2)};
  for (long key = 0; key < length; key++) {
    const long lane = key % BLOOM_KEY_PANEL;
    kernels->store_f16(
        keys + key * d, d, BLOOM_KEY_PANEL, halves[0] + (key - lane) * d + lane);
  }
  kernels->store_f16(values, length * d, 1, halves[1]);
  kernels->attend_rows(
      BLOOM_F16, queries, d, rows, halves[0], halves[1], first, d, 0.5f, 0.25f, scores, y, d);
  kernels->attend(BLOOM_F16, queries, halves[0], halves[1], length, d, 0.5f, 0.25f, few, y);
  kernels->attend_rows(
      BLOOM_F32, queries, d, rows, keys, values, first, d, 0.5f, 0.25f, scores, y, d);
  kernels->causal_softmax_backward(scores, gradient, rows, length, 0.5f);
  kernels->attend(BLOOM_F32, queries, keys, values, length, d, 0.5f, 0.25f, scores, y);
  free(queries), free(keys), free(values), free(y), free(scores), free(gradient);
  free(halves[0]), free(halves[1]), free(few);
}

static void rows(long count, long columns) {
  float *x = floats(count * columns, 1), *y = floats(count * columns, 2);
  float *weight = floats(columns, 3), *bias = floats(columns, 4);
  kernels->layer_norm(x, count, columns, weight, bias, 1e-5f, y);
  kernels->layer_norm_backward(x, y, count, columns, weight, 1e-5f, x);
  kernels->gelu(x, count * columns);
  kernels->gelu_backward(x, y, count * columns);
  kernels->add(x, count * columns, y);
  kernels->argmax(x, count * columns);
  kernels->largest_magnitude(x, count * columns);
  kernels->dot(x, y, count * columns);
  kernels->exponentials(x, count * columns, 1.0f, 1.0f);
  for (int element = BLOOM_F32; element <= BLOOM_BF16; element++) {
    void *target = bytes((size_t)(count * columns) * (element == BLOOM_F32 ? 4 : 2));
    kernels->uniform(1, 7, count * columns, 0.5f, (bloom_element)element, target);
    kernels->uniform_pairs(1, 7, count * columns, 0.5f, (bloom_element)element, target);
    kernels->signs(1, 7, count * columns, 0.5f, (bloom_element)element, target);
    free(target);
  }
  free(x), free(y), free(weight), free(bias);
}

int main(void) {
  static const long columns[] = {1, 7, 16, 33, 64, 65, 96, 128, 192, 576, 1024, 1088, 1101};
  static const long heights[] = {1, 2, 5, 8, 16, 31, 33, 70};
  static const long vectors[] = {1, 2, 3, 4, 5, 8, 9, 16, 17, 33, 48, 53};
  static const long heads[] = {1, 7, 8, 16, 24, 33, 64, 72, 128};
  for (int set = 0; set < BLOOM_SETS; set++) {
    kernels = bloom_kernels_of((bloom_instructions)set);
    if (kernels == NULL) continue;
    for (size_t c = 0; c < sizeof columns / sizeof *columns; c++) {
      for (size_t h = 0; h < sizeof heights / sizeof *heights; h++) {
        rows(heights[h], columns[c]);
        for (size_t v = 0; v < sizeof vectors / sizeof *vectors; v++) {
          products(heights[h], columns[c], vectors[v]);
        }
      }
    }
    for (size_t d = 0; d < sizeof heads / sizeof *heads; d++) {
      for (long first = 0; first < 40; first += 3) {
        for (long count = 1; count < 14; count += 2) attention(first, count, heads[d]);
      }
    }
    printf("%s: nothing found\n", kernels->name);
  }
  return 0;
}

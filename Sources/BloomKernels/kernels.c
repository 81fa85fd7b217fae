// The kernels of the best instruction set that this processor has.
#include "basics.h"

#include <stdatomic.h>

const bloom_kernels *bloom_kernels_of(bloom_instructions set) {
  switch (set) {
    case BLOOM_PORTABLE:
      return &bloom_kernels_portable;
#if defined(__x86_64__)
    case BLOOM_AVX2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
                     __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma") &&
                     __builtin_cpu_supports("f16c") && __builtin_cpu_supports("popcnt")
                 ? &bloom_kernels_avx2
                 : NULL;
    case BLOOM_AVX512:
      return bloom_kernels_of(BLOOM_AVX2) != NULL && __builtin_cpu_supports("avx512f") &&
                     __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
                     __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
                 ? &bloom_kernels_avx512
                 : NULL;
#endif
    default:
      return NULL;
  }
}

bloom_instructions bloom_best_instructions(void) {
  if (bloom_kernels_of(BLOOM_AVX512) != NULL) return BLOOM_AVX512;
  return bloom_kernels_of(BLOOM_AVX2) != NULL ? BLOOM_AVX2 : BLOOM_PORTABLE;
}

static const bloom_kernels *best(void) {
  static _Atomic(const bloom_kernels *) known;
  const bloom_kernels *kernels = atomic_load_explicit(&known, memory_order_relaxed);
  if (kernels == NULL) {
    // Several threads may look at once; they find the same.
    kernels = bloom_kernels_of(bloom_best_instructions());
    atomic_store_explicit(&known, kernels, memory_order_relaxed);
  }
  return kernels;
}

const char *bloom_instruction_set(void) { return best()->name; }

void bloom_layer_norm(
    const float *x, long rows, long columns, const float *weight, const float *bias,
    float epsilon, float *y) {
  best()->layer_norm(x, rows, columns, weight, bias, epsilon, y);
}

void bloom_layer_norm_backward(
    const float *x, const float *dy, long rows, long columns, const float *weight,
    float epsilon, float *dx) {
  best()->layer_norm_backward(x, dy, rows, columns, weight, epsilon, dx);
}

void bloom_gelu(float *x, long count) { best()->gelu(x, count); }

void bloom_gelu_backward(const float *x, float *dy, long count) {
  best()->gelu_backward(x, dy, count);
}

void bloom_add(const float *x, long count, float *y) { best()->add(x, count, y); }

long bloom_argmax(const float *x, long count) { return best()->argmax(x, count); }

float bloom_largest_magnitude(const float *x, long count) {
  return best()->largest_magnitude(x, count);
}

float bloom_exponentials(float *x, long count, float largest, float inverseTemperature) {
  return best()->exponentials(x, count, largest, inverseTemperature);
}

void bloom_attend(
    const float *query, const float *keys, const float *values, long length, long d,
    float scale, float slope, float *scores, float *y) {
  best()->attend(query, keys, values, length, d, scale, slope, scores, y);
}

void bloom_causal_softmax(
    float *scores, long rows, long length, long first, float scale, float slope) {
  best()->causal_softmax(scores, rows, length, first, scale, slope);
}

void bloom_causal_softmax_backward(
    const float *p, float *dp, long rows, long length, float scale) {
  best()->causal_softmax_backward(p, dp, rows, length, scale);
}

void bloom_to_float(bloom_element element, const void *source, long count, float *target) {
  best()->to_float(element, source, count, target);
}

void bloom_from_float(bloom_element element, const float *source, long count, void *target) {
  best()->from_float(element, source, count, target);
}

void bloom_tile_to_float(
    bloom_element element, const void *source, long rows, long columns, long ld, float *target) {
  const long size = element == BLOOM_F32 ? 4 : 2;
  for (long r = 0; r < rows; r++) {
    const char *row = (const char *)source + r * ld * size;
    best()->to_float(element, row, columns, target + r * columns);
  }
}

void bloom_matrix_vectors(
    bloom_element element, const void *w, long rows, long columns, const float *x, long ldx,
    long vectors, const float *bias, float *y, long ldy) {
  best()->matrix_vectors(element, w, rows, columns, x, ldx, vectors, bias, y, ldy);
}

void bloom_q8_pack(const float *x, long rows, long columns, int8_t *w, float *scales) {
  best()->q8_pack(x, rows, columns, w, scales);
}

void bloom_q8_to_float(
    const int8_t *w, const float *scales, long columns, long row, long rows, long column,
    long span, float *target) {
  best()->q8_to_float(w, scales, columns, row, rows, column, span, target);
}

void bloom_q8_round(
    const float *x, long vectors, long columns, int16_t *integers, float *steps) {
  best()->q8_round(x, vectors, columns, integers, steps);
}

void bloom_q8_matrix_vectors(
    const int8_t *w, const float *scales, long rows, long columns, const int16_t *x,
    const float *steps, long vectors, const float *bias, float *y, long ldy) {
  best()->q8_matrix_vectors(w, scales, rows, columns, x, steps, vectors, bias, y, ldy);
}

void bloom_uniform(
    uint64_t seed, uint64_t first, long count, float limit, bloom_element element, void *target) {
  best()->uniform(seed, first, count, limit, element, target);
}

void bloom_uniform_pairs(
    uint64_t seed, uint64_t first, long count, float limit, bloom_element element, void *target) {
  best()->uniform_pairs(seed, first, count, limit, element, target);
}

void bloom_signs(
    uint64_t seed, uint64_t first, long count, float magnitude, bloom_element element,
    void *target) {
  best()->signs(seed, first, count, magnitude, element, target);
}

void bloom_pause(void) {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

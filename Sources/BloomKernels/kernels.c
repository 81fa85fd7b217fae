// The kernels of the best instruction set that this processor has, or of the one that is asked for.
#include "basics.h"

#include <limits.h>
#include <stdatomic.h>
#include <stdlib.h>

#if defined(__linux__)
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#elif defined(__APPLE__)
#include <pthread.h>
#endif
#if defined(__x86_64__)
#include <cpuid.h>
#endif

// Whether the processor has tiles of bf16 and 8-bit integers, and the system lets this process use them:
// their state is large, so that Linux saves it for those alone who have asked (arch_prctl(2)).
static int have_tiles(void) {
#if defined(__x86_64__) && defined(__linux__)
  static _Atomic int known = -1;
  int answer = atomic_load_explicit(&known, memory_order_relaxed);
  if (answer < 0) {
    const unsigned bf16 = 1u << 22, tile = 1u << 24, int8 = 1u << 25, all = bf16 | tile | int8;
    const int requestPermission = 0x1023, tileData = 18;
    unsigned a, b, c, d;
    answer = __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & all) == all &&
             syscall(SYS_arch_prctl, requestPermission, tileData) == 0;
    atomic_store_explicit(&known, answer, memory_order_relaxed);
  }
  return answer;
#else
  return 0;
#endif
}

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
    case BLOOM_AMX:
      return bloom_kernels_of(BLOOM_AVX512) != NULL && have_tiles() ? &bloom_kernels_amx : NULL;
#endif
    case BLOOM_TILES:
      return &bloom_kernels_tiles;
    default:
      return NULL;
  }
}

bloom_instructions bloom_best_instructions(void) {
  if (bloom_kernels_of(BLOOM_AMX) != NULL) return BLOOM_AMX;
  if (bloom_kernels_of(BLOOM_AVX512) != NULL) return BLOOM_AVX512;
  return bloom_kernels_of(BLOOM_AVX2) != NULL ? BLOOM_AVX2 : BLOOM_PORTABLE;
}

bloom_instructions bloom_used_instructions(void) {
  static _Atomic int known = -1;
  int set = atomic_load_explicit(&known, memory_order_relaxed);
  if (set < 0) {
    // Several threads may look at once; they find the same.
    const char *wanted = getenv("BLOOM_KERNELS");
    set = (int)bloom_best_instructions();
    for (int other = 0; wanted != NULL && other < BLOOM_SETS; other++) {
      const bloom_kernels *kernels = bloom_kernels_of((bloom_instructions)other);
      if (kernels != NULL && strcmp(kernels->name, wanted) == 0) set = other;
    }
    atomic_store_explicit(&known, set, memory_order_relaxed);
  }
  return (bloom_instructions)set;
}

static const bloom_kernels *used(void) {
  static _Atomic(const bloom_kernels *) known;
  const bloom_kernels *kernels = atomic_load_explicit(&known, memory_order_relaxed);
  if (kernels == NULL) {
    kernels = bloom_kernels_of(bloom_used_instructions());
    atomic_store_explicit(&known, kernels, memory_order_relaxed);
  }
  return kernels;
}

const char *bloom_instruction_set(void) { return used()->name; }

void bloom_layer_norm(
    const float *x, long rows, long columns, const float *weight, const float *bias,
    float epsilon, float *y) {
  used()->layer_norm(x, rows, columns, weight, bias, epsilon, y);
}

void bloom_layer_norm_backward(
    const float *x, const float *dy, long rows, long columns, const float *weight,
    float epsilon, float *dx) {
  used()->layer_norm_backward(x, dy, rows, columns, weight, epsilon, dx);
}

void bloom_gelu(float *x, long count) { used()->gelu(x, count); }

void bloom_gelu_backward(const float *x, float *dy, long count) {
  used()->gelu_backward(x, dy, count);
}

void bloom_add(const float *x, long count, float *y) { used()->add(x, count, y); }

long bloom_argmax(const float *x, long count) { return used()->argmax(x, count); }

float bloom_largest_magnitude(const float *x, long count) {
  return used()->largest_magnitude(x, count);
}

float bloom_exponentials(float *x, long count, float largest, float inverseTemperature) {
  return used()->exponentials(x, count, largest, inverseTemperature);
}

void bloom_attend(
    bloom_element element, const float *query, const void *keys, const void *values, long length,
    long d, float scale, float slope, float *scores, float *y) {
  used()->attend(element, query, keys, values, length, d, scale, slope, scores, y);
}

void bloom_attend_rows(
    bloom_element element, const float *queries, long ldq, long rows, const void *keys,
    const void *values, long first, long d, float scale, float slope, float *scores, float *y,
    long ldy) {
  used()->attend_rows(
      element, queries, ldq, rows, keys, values, first, d, scale, slope, scores, y, ldy);
}

float bloom_store_f16(const float *x, long count, long step, uint16_t *target) {
  return used()->store_f16(x, count, step, target);
}

float bloom_dot(const float *a, const float *b, long count) { return used()->dot(a, b, count); }

void bloom_causal_softmax(
    float *scores, long rows, long length, long first, float scale, float slope) {
  used()->causal_softmax(scores, rows, length, first, scale, slope);
}

void bloom_causal_softmax_backward(
    const float *p, float *dp, long rows, long length, float scale) {
  used()->causal_softmax_backward(p, dp, rows, length, scale);
}

void bloom_to_float(bloom_element element, const void *source, long count, float *target) {
  used()->to_float(element, source, count, target);
}

void bloom_from_float(bloom_element element, const float *source, long count, void *target) {
  used()->from_float(element, source, count, target);
}

void bloom_tile_to_float(
    bloom_element element, const void *source, long rows, long columns, long ld, float *target) {
  const long size = element == BLOOM_F32 ? 4 : 2;
  for (long r = 0; r < rows; r++) {
    const char *row = (const char *)source + r * ld * size;
    used()->to_float(element, row, columns, target + r * columns);
  }
}

void bloom_matrix_vectors(
    bloom_element element, const void *w, long rows, long columns, const float *x, long ldx,
    long vectors, const float *bias, float *y, long ldy) {
  used()->matrix_vectors(element, w, rows, columns, x, ldx, vectors, bias, y, ldy);
}

void bloom_q8_pack(const float *x, long rows, long columns, int8_t *w, float *scales) {
  used()->q8_pack(x, rows, columns, w, scales);
}

void bloom_q8_to_float(
    const int8_t *w, const float *scales, long columns, long row, long rows, long column,
    long span, float *target) {
  used()->q8_to_float(w, scales, columns, row, rows, column, span, target);
}

void bloom_q8_round(
    const float *x, long vectors, long columns, int16_t *integers, float *steps) {
  used()->q8_round(x, vectors, columns, integers, steps);
}

void bloom_q8_matrix_vectors(
    const int8_t *w, const float *scales, long rows, long columns, const int16_t *x,
    const float *steps, long vectors, const float *bias, float *y, long ldy) {
  used()->q8_matrix_vectors(w, scales, rows, columns, x, steps, vectors, bias, y, ldy);
}

void bloom_q4_pack(const float *x, long rows, long columns, uint8_t *w, uint16_t *scales) {
  used()->q4_pack(x, rows, columns, w, scales);
}

void bloom_q4_to_float(
    const uint8_t *w, const uint16_t *scales, long columns, long row, long rows, long column,
    long span, float *target) {
  used()->q4_to_float(w, scales, columns, row, rows, column, span, target);
}

void bloom_q4_matrix_vectors(
    const uint8_t *w, const uint16_t *scales, long rows, long columns, const int16_t *x,
    const float *steps, long vectors, const float *bias, float *y, long ldy) {
  used()->q4_matrix_vectors(w, scales, rows, columns, x, steps, vectors, bias, y, ldy);
}

long bloom_tile_vectors(void) {
  return used()->tile_product != NULL ? used()->tile_vectors : LONG_MAX;
}

size_t bloom_tile_bytes(bloom_tiles kind, long vectors, long columns) {
  return used()->tile_bytes != NULL ? used()->tile_bytes(kind, vectors, columns) : 0;
}

void bloom_tile_pack(
    bloom_tiles kind, const float *x, long ldx, long vectors, long columns, void *packed) {
  used()->tile_pack(kind, x, ldx, vectors, columns, packed);
}

void bloom_tile_product(
    bloom_tiles kind, const void *w, const float *scales, long rows, long columns,
    const void *packed, long vectors, const float *bias, float *y, long ldy) {
  used()->tile_product(kind, w, scales, rows, columns, packed, vectors, bias, y, ldy);
}

void bloom_uniform(
    uint64_t seed, uint64_t first, long count, float limit, bloom_element element, void *target) {
  used()->uniform(seed, first, count, limit, element, target);
}

void bloom_uniform_pairs(
    uint64_t seed, uint64_t first, long count, float limit, bloom_element element, void *target) {
  used()->uniform_pairs(seed, first, count, limit, element, target);
}

void bloom_signs(
    uint64_t seed, uint64_t first, long count, float magnitude, bloom_element element,
    void *target) {
  used()->signs(seed, first, count, magnitude, element, target);
}

void bloom_pause(void) {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

void bloom_name_thread(const char *name) {
#if defined(__linux__)
  prctl(PR_SET_NAME, name);
#elif defined(__APPLE__)
  pthread_setname_np(name);
#endif
}

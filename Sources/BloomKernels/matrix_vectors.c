// Stored weights times a few vectors. Decoding reads every weight once per token, so the bytes of
// the weights are its limit: they are converted in registers, never in memory.
#include "BloomKernels.h"
#include "half.h"
#include "lanes.h"

typedef void kernel(
    const void *w, long rows, long columns, const float *x, long ldx, long vectors,
    const float *bias, float *y, long ldy);

// ---- Any processor -------------------------------------------------------------------------

#define PORTABLE(NAME, TYPE, TO_FLOAT)                                                  \
  static void NAME(                                                                     \
      const void *w, long rows, long columns, const float *x, long ldx, long vectors,   \
      const float *bias, float *y, long ldy) {                                          \
    for (long r = 0; r < rows; r++) {                                                   \
      const TYPE *row = (const TYPE *)w + r * columns;                                  \
      for (long v = 0; v < vectors; v++) {                                              \
        _Pragma("clang fp reassociate(on) contract(fast)")                              \
        const float *vector = x + v * ldx;                                              \
        float sum = 0;                                                                  \
        for (long c = 0; c < columns; c++) sum += TO_FLOAT(row[c]) * vector[c];         \
        y[v * ldy + r] = bias != NULL ? sum + bias[r] : sum;                            \
      }                                                                                 \
    }                                                                                   \
  }

#define SAME(value) (value)
PORTABLE(portable_f32, float, SAME)
PORTABLE(portable_f16, uint16_t, f16_to_float)
PORTABLE(portable_bf16, uint16_t, bf16_to_float)

// ---- x86-64 with AVX2 or AVX-512 -----------------------------------------------------------

#if defined(__x86_64__)
#include <immintrin.h>

// A block of ROWS rows times VECTORS vectors, eight sums in all: every weight is loaded and
// converted once. WIDTH elements at a time, the rest one by one.
#define BLOCK(NAME, TARGET, TYPE, TO_FLOAT, WIDTH, VECTOR, ZERO, LOAD_W, LOAD_X, FMA, SUMS, ROWS, \
              VECTORS)                                                                            \
  __attribute__((target(TARGET))) static void NAME(                                               \
      const TYPE *w, long columns, const float *x, long ldx, const float *bias, float *y,         \
      long ldy) {                                                                                 \
    VECTOR sums[ROWS * VECTORS];                                                                  \
    _Pragma("clang loop unroll(full)") for (int i = 0; i < ROWS * VECTORS; i++) sums[i] = ZERO;   \
    long c = 0;                                                                                   \
    for (; c + WIDTH <= columns; c += WIDTH) {                                                    \
      VECTOR activations[VECTORS];                                                                \
      _Pragma("clang loop unroll(full)") for (int v = 0; v < VECTORS; v++)                        \
          activations[v] = LOAD_X(x + v * ldx + c);                                               \
      _Pragma("clang loop unroll(full)") for (int r = 0; r < ROWS; r++) {                         \
        const VECTOR weights = LOAD_W(w + r * columns + c);                                       \
        _Pragma("clang loop unroll(full)") for (int v = 0; v < VECTORS; v++)                      \
            sums[r * VECTORS + v] = FMA(weights, activations[v], sums[r * VECTORS + v]);          \
      }                                                                                           \
    }                                                                                             \
    float totals[8];                                                                              \
    SUMS(totals, sums);                                                                           \
    for (int r = 0; c < columns && r < ROWS; r++) {                                               \
      for (int v = 0; v < VECTORS; v++) {                                                         \
        for (long k = c; k < columns; k++) {                                                      \
          totals[r * VECTORS + v] += TO_FLOAT(w[r * columns + k]) * x[v * ldx + k];               \
        }                                                                                         \
      }                                                                                           \
    }                                                                                             \
    for (int r = 0; r < ROWS; r++) {                                                              \
      const float start = bias != NULL ? bias[r] : 0;                                             \
      for (int v = 0; v < VECTORS; v++) y[v * ldy + r] = totals[r * VECTORS + v] + start;         \
    }                                                                                             \
  }

// All rows times all vectors, eight rows at a time. Eight rows of weights fit the first-level cache,
// so further vectors do not read them from memory again. The last rows go the portable way.
#define PRODUCT(NAME, REST, TARGET, TYPE, TO_FLOAT, WIDTH, VECTOR, ZERO, LOAD_W, LOAD_X, FMA, SUMS) \
  BLOCK(NAME##_8x1, TARGET, TYPE, TO_FLOAT, WIDTH, VECTOR, ZERO, LOAD_W, LOAD_X, FMA, SUMS, 8, 1)   \
  BLOCK(NAME##_4x2, TARGET, TYPE, TO_FLOAT, WIDTH, VECTOR, ZERO, LOAD_W, LOAD_X, FMA, SUMS, 4, 2)   \
  BLOCK(NAME##_2x4, TARGET, TYPE, TO_FLOAT, WIDTH, VECTOR, ZERO, LOAD_W, LOAD_X, FMA, SUMS, 2, 4)   \
  static void NAME(                                                                                 \
      const void *weights, long rows, long columns, const float *x, long ldx, long vectors,         \
      const float *bias, float *y, long ldy) {                                                      \
    const long whole = rows & ~7L;                                                                  \
    for (long first = 0; first < whole; first += 8) {                                               \
      long v = 0;                                                                                   \
      while (v < vectors) {                                                                         \
        const long together = vectors - v >= 4 ? 4 : vectors - v >= 2 ? 2 : 1;                      \
        for (long r = first; r < first + 8; r += 8 / together) {                                    \
          const TYPE *w = (const TYPE *)weights + r * columns;                                      \
          const float *b = bias != NULL ? bias + r : NULL;                                          \
          const float *in = x + v * ldx;                                                            \
          float *out = y + v * ldy + r;                                                             \
          if (together == 4) {                                                                      \
            NAME##_2x4(w, columns, in, ldx, b, out, ldy);                                           \
          } else if (together == 2) {                                                               \
            NAME##_4x2(w, columns, in, ldx, b, out, ldy);                                           \
          } else {                                                                                  \
            NAME##_8x1(w, columns, in, ldx, b, out, ldy);                                           \
          }                                                                                         \
        }                                                                                           \
        v += together;                                                                              \
      }                                                                                             \
    }                                                                                               \
    REST(                                                                                           \
        (const TYPE *)weights + whole * columns, rows - whole, columns, x, ldx, vectors,            \
        bias != NULL ? bias + whole : NULL, y + whole, ldy);                                        \
  }

#define AVX2 "avx2,fma,f16c"
#define INLINE_AVX2 static inline __attribute__((always_inline, target(AVX2)))

INLINE_AVX2 __m256 load8_f16(const uint16_t *p) {
  return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}

INLINE_AVX2 __m256 load8_bf16(const uint16_t *p) {
  const __m128i halves = _mm_loadu_si128((const __m128i *)(const void *)p);
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

// totals[i] = the sum of v[i].
INLINE_AVX2 void sums8(float totals[8], const __m256 v[8]) {
  lanes sums;
  lanes_sums(&sums, v);
  lanes_store(totals, &sums);
}

#define PRODUCT_AVX2(NAME, REST, TYPE, TO_FLOAT, LOAD)                                         \
  PRODUCT(                                                                                     \
      NAME, REST, AVX2, TYPE, TO_FLOAT, 8, __m256, _mm256_setzero_ps(), LOAD, _mm256_loadu_ps, \
      _mm256_fmadd_ps, sums8)
PRODUCT_AVX2(avx2_f32, portable_f32, float, SAME, _mm256_loadu_ps)
PRODUCT_AVX2(avx2_f16, portable_f16, uint16_t, f16_to_float, load8_f16)
PRODUCT_AVX2(avx2_bf16, portable_bf16, uint16_t, bf16_to_float, load8_bf16)

#define AVX512 "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma,f16c"
#define INLINE_AVX512 static inline __attribute__((always_inline, target(AVX512)))

INLINE_AVX512 __m512 load16_f16(const uint16_t *p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

INLINE_AVX512 __m512 load16_bf16(const uint16_t *p) {
  const __m256i halves = _mm256_loadu_si256((const __m256i *)(const void *)p);
  return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

INLINE_AVX512 void sums16(float totals[8], const __m512 v[8]) {
  __m256 halves[8];
  for (int i = 0; i < 8; i++) {
    halves[i] = _mm256_add_ps(_mm512_castps512_ps256(v[i]), _mm512_extractf32x8_ps(v[i], 1));
  }
  lanes sums;
  lanes_sums(&sums, halves);
  lanes_store(totals, &sums);
}

#define PRODUCT_AVX512(NAME, REST, TYPE, TO_FLOAT, LOAD)                                    \
  PRODUCT(                                                                                  \
      NAME, REST, AVX512, TYPE, TO_FLOAT, 16, __m512, _mm512_setzero_ps(), LOAD,            \
      _mm512_loadu_ps, _mm512_fmadd_ps, sums16)
PRODUCT_AVX512(avx512_f32, avx2_f32, float, SAME, _mm512_loadu_ps)
PRODUCT_AVX512(avx512_f16, avx2_f16, uint16_t, f16_to_float, load16_f16)
PRODUCT_AVX512(avx512_bf16, avx2_bf16, uint16_t, bf16_to_float, load16_bf16)
#endif

// ---- Choice --------------------------------------------------------------------------------

typedef struct kernels {
  const char *name;
  kernel *of[3];
} kernels;

static const kernels *best(void) {
  static const kernels portable = {"portable", {portable_f32, portable_f16, portable_bf16}};
#if defined(__x86_64__)
  static const kernels avx2 = {"avx2", {avx2_f32, avx2_f16, avx2_bf16}};
  static const kernels avx512 = {"avx512", {avx512_f32, avx512_f16, avx512_bf16}};
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    return &avx512;
  }
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
      __builtin_cpu_supports("f16c")) {
    return &avx2;
  }
#endif
  return &portable;
}

const char *bloom_instruction_set(void) { return best()->name; }

void bloom_matrix_vectors(
    bloom_element element, const void *w, long rows, long columns, const float *x, long ldx,
    long vectors, const float *bias, float *y, long ldy) {
  best()->of[element](w, rows, columns, x, ldx, vectors, bias, y, ldy);
}

void bloom_pause(void) {
#if defined(__x86_64__)
  _mm_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

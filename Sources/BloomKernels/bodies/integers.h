// Weights as 8-bit integers, 64 of a row to a scale: weight = integer * scale.
//
// A vector is rounded to 16-bit integers, 64 to a scale as well, so that a product is made of whole
// numbers: exact, and no slower than memory delivers the weights. The largest sum of 64 products,
// 64 * 127 * 32767, is below 2^31.

#define GROUP BLOOM_Q8_GROUP

typedef int8_t q8_bytes __attribute__((vector_size(2 * WIDTH)));
typedef int16_t q8_words __attribute__((vector_size(4 * WIDTH)));
// Registers that hold a group of 16-bit integers.
#define GROUP_PARTS (GROUP / (2 * WIDTH))

INLINE long groups_of(long columns) { return (columns + GROUP - 1) / GROUP; }

INLINE void q8_load(q8_words *v, const int8_t *p) {
  q8_bytes bytes;
  memcpy(&bytes, p, sizeof bytes);
  *v = __builtin_convertvector(bytes, q8_words);
}

#if defined(VARIANT_X86)
// Vectors of a tile, and groups of a panel.
#define Q8_VECTORS (WIDTH == 16 ? 8 : 4)
#define Q8_PANEL_GROUPS 4
// From so many vectors on, turning a panel costs less than it brings.
#define Q8_PANEL_FROM 8

#if WIDTH == 16
typedef __m512i q8_register;
#define Q8(NAME) _mm512_##NAME
#else
typedef __m256i q8_register;
#define Q8(NAME) _mm256_##NAME
#endif

// Sixteen bytes of a row in each quarter (half) of a register, for every fourth row; of each four bytes
// the middle ones change places.
INLINE q8_register q8_quarters(const int8_t *p, long apart) {
#if WIDTH == 16
  q8_register v = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(const void *)p));
  v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(const void *)(p + apart)), 1);
  v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(const void *)(p + 2 * apart)), 2);
  v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(const void *)(p + 3 * apart)), 3);
#else
  q8_register v = _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)p));
  v = _mm256_inserti128_si256(
      v, _mm_loadu_si128((const __m128i *)(const void *)(p + apart)), 1);
#endif
  const __m128i order = _mm_setr_epi8(0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15);
#if WIDTH == 16
  return _mm512_shuffle_epi8(v, _mm512_broadcast_i32x4(order));
#else
  return _mm256_shuffle_epi8(v, _mm256_broadcastsi128_si256(order));
#endif
}

// A group of WIDTH rows as pairs of 16-bit integers: register `pair * apart` of `panel` has columns
// 2 * pair and 2 * pair + 1 of every row. Asks for the rows `ahead` bytes on.
INLINE void q8_turn(
    const int8_t *w, long columns, long ahead, wide_integers *panel, long apart) {
  UNROLL for (int r = 0; r < WIDTH; r++) __builtin_prefetch(w + r * columns + ahead, 0, 2);
  UNROLL for (int part = 0; part < GROUP / 16; part++) {
    q8_register rows[4];
    UNROLL for (int i = 0; i < 4; i++) {
      rows[i] = q8_quarters(w + i * columns + 16 * part, 4 * columns);
    }
    const q8_register low0 = Q8(unpacklo_epi32)(rows[0], rows[1]);
    const q8_register high0 = Q8(unpackhi_epi32)(rows[0], rows[1]);
    const q8_register low1 = Q8(unpacklo_epi32)(rows[2], rows[3]);
    const q8_register high1 = Q8(unpackhi_epi32)(rows[2], rows[3]);
    const q8_register fours[4] = {
      Q8(unpacklo_epi64)(low0, low1), Q8(unpackhi_epi64)(low0, low1),
      Q8(unpacklo_epi64)(high0, high1), Q8(unpackhi_epi64)(high0, high1),
    };
    UNROLL for (int k = 0; k < 4; k++) {
      wide_integers *pair = panel + (part * 8 + 2 * k) * apart;
      pair[0] = (wide_integers)Q8(srai_epi16)(Q8(slli_epi16)(fours[k], 8), 8);
      pair[apart] = (wide_integers)Q8(srai_epi16)(fours[k], 8);
    }
  }
}
#endif

#include "nibbles.h"

#if defined(VARIANT_X86) && WIDTH == 16
#define KIND plain
#define MULTIPLY_PAIRS(SUM, A, B) \
  SUM += (wide_integers)_mm512_madd_epi16((__m512i)(A), (__m512i)(B))
#include "integer_products.h"

// Of two target attributes only the first counts.
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target(TARGET ",avx512vnni"))), apply_to = function)
#define KIND vnni
// In place of the intrinsic, which clang takes apart again: vpmaddwd and vpaddd wait for less, but are
// two instructions, and many sums side by side wait for nothing.
#define MULTIPLY_PAIRS(SUM, A, B) __asm__("vpdpwssd %2, %1, %0" : "+v"(SUM) : "v"(A), "v"(B))
#include "integer_products.h"
#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target(TARGET))), apply_to = function)
#elif defined(VARIANT_X86)
#define KIND plain
#define MULTIPLY_PAIRS(SUM, A, B) \
  SUM += (wide_integers)_mm256_madd_epi16((__m256i)(A), (__m256i)(B))
#include "integer_products.h"
#else
// SUM += the products of two neighbours each.
INLINE void q8_multiply(wide_integers *sum, const q8_words *a, const q8_words *b) {
  typedef int32_t pairs __attribute__((vector_size(8 * WIDTH)));
  const pairs products = __builtin_convertvector(*a, pairs) * __builtin_convertvector(*b, pairs);
  wide_integers halves[2];
  memcpy(halves, &products, sizeof halves);
  *sum += halves[0] + halves[1];
}
#define KIND plain
#define MULTIPLY_PAIRS(SUM, A, B) q8_multiply(&(SUM), &(A), &(B))
#include "integer_products.h"
#endif

static void q8_matrix_vectors(
    const int8_t *w, const float *scales, long rows, long columns, const int16_t *x,
    const float *steps, long vectors, const float *bias, float *y, long ldy) {
#if defined(VARIANT_X86) && WIDTH == 16
  if (__builtin_cpu_supports("avx512vnni")) {
    q8_product_vnni(w, scales, rows, columns, x, steps, vectors, bias, y, ldy);
    return;
  }
#endif
  q8_product_plain(w, scales, rows, columns, x, steps, vectors, bias, y, ldy);
}

// The largest magnitude of a group over the largest integer; 0 for zeros.
INLINE float group_scale(const float *x, long count, float limit) {
  uint32_t largest = 0;
  for (long i = 0; i < count; i++) {
    const uint32_t magnitude = float_to_bits(x[i]) & 0x7fffffff;
    largest = magnitude > largest ? magnitude : largest;
  }
  return bits_to_float(largest) / limit;
}

// The nearest integer, ties to even: adding 1.5 * 2^23 leaves it in the low bits.
INLINE int32_t nearest(float value) {
  return (int32_t)(float_to_bits(value + 12582912.0f) - 0x4b400000u);
}

// Rounds a group. A group with an infinity or no number becomes zeros with such a scale, so that
// its product is no number either; a scale too small for its inverse counts as zero.
#define ROUND(NAME, INTEGER, LIMIT)                                                       \
  INLINE float NAME(const float *x, long count, INTEGER *integers) {                      \
    const float scale = group_scale(x, count, LIMIT);                                     \
    const float inverse = 1.0f / scale;                                                   \
    if (!(scale < INFINITY) || !(inverse < INFINITY)) {                                   \
      for (long i = 0; i < count; i++) integers[i] = 0;                                   \
      return scale < INFINITY ? 0.0f : scale;                                             \
    }                                                                                     \
    for (long i = 0; i < count; i++) integers[i] = (INTEGER)nearest(x[i] * inverse);      \
    return scale;                                                                         \
  }
ROUND(round_bytes, int8_t, 127.0f)
ROUND(round_words, int16_t, 32767.0f)
#if defined(VARIANT_TILES)
// The largest integer whose two signed bytes its negative has as well.
ROUND(round_tile, int32_t, 32639.0f)
#endif

static void q8_pack(const float *x, long rows, long columns, int8_t *w, float *scales) {
  const long groups = groups_of(columns);
  for (long r = 0; r < rows; r++) {
    for (long g = 0; g < groups; g++) {
      const long first = r * columns + g * GROUP;
      const long count = columns - g * GROUP < GROUP ? columns - g * GROUP : GROUP;
      scales[r * groups + g] = round_bytes(x + first, count, w + first);
    }
  }
}

static void q8_round(
    const float *x, long vectors, long columns, int16_t *integers, float *steps) {
  const long groups = groups_of(columns);
  for (long v = 0; v < vectors; v++) {
    for (long g = 0; g < groups; g++) {
      const long first = v * columns + g * GROUP;
      const long count = columns - g * GROUP < GROUP ? columns - g * GROUP : GROUP;
      steps[v * groups + g] = count == GROUP ? round_words(x + first, GROUP, integers + first)
                                             : round_words(x + first, count, integers + first);
    }
  }
}

static void q8_to_float(
    const int8_t *w, const float *scales, long columns, long row, long rows, long column,
    long span, float *target) {
  const long groups = groups_of(columns);
  for (long r = 0; r < rows; r++) {
    const int8_t *source = w + (row + r) * columns;
    const float *own = scales + (row + r) * groups;
    float *result = target + r * span;
    for (long c = column; c < column + span;) {
      const long next = (c / GROUP + 1) * GROUP;
      const long end = next < column + span ? next : column + span;
      const float scale = own[c / GROUP];
      for (; c < end; c++) result[c - column] = (float)source[c] * scale;
    }
  }
}

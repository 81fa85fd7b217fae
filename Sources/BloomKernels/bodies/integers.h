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

// sum += the products of two neighbours each.
INLINE void q8_multiply(wide_integers *sum, const q8_words *a, const int16_t *p) {
  q8_words b;
  memcpy(&b, p, sizeof b);
#if defined(VARIANT_X86) && WIDTH == 16
  *sum += (wide_integers)_mm512_madd_epi16((__m512i)*a, (__m512i)b);
#elif defined(VARIANT_X86)
  *sum += (wide_integers)_mm256_madd_epi16((__m256i)*a, (__m256i)b);
#else
  typedef int32_t pairs __attribute__((vector_size(8 * WIDTH)));
  const pairs products = __builtin_convertvector(*a, pairs) * __builtin_convertvector(b, pairs);
  wide_integers halves[2];
  memcpy(halves, &products, sizeof halves);
  *sum += halves[0] + halves[1];
#endif
}

// R rows, `step` rows apart, times V vectors.
INLINE void q8_rows(
    const int R, const int V, const int8_t *w, const float *scales, long step, long columns,
    const int16_t *x, const float *steps, const float *bias, float *y, long ldy) {
  _Pragma("clang fp contract(fast)")
  const long groups = groups_of(columns);
  const long whole = columns / GROUP;
  wide sums[8];
  UNROLL for (int i = 0; i < 8; i++) sums[i] = (wide){0};
  for (long g = 0; g < whole; g++) {
    UNROLL for (int r = 0; r < R; r++) {
      const int8_t *p = w + r * step * columns + g * GROUP;
      __builtin_prefetch(p + 256);
      q8_words weights[GROUP_PARTS];
      UNROLL for (int i = 0; i < GROUP_PARTS; i++) q8_load(&weights[i], p + 2 * WIDTH * i);
      const float scale = scales[r * step * groups + g];
      UNROLL for (int v = 0; v < V; v++) {
        wide_integers sum = {0};
        UNROLL for (int i = 0; i < GROUP_PARTS; i++) {
          q8_multiply(&sum, &weights[i], x + v * columns + g * GROUP + 2 * WIDTH * i);
        }
        const wide product = __builtin_convertvector(sum, wide);
        sums[r * V + v] += product * (scale * steps[v * groups + g]);
      }
    }
  }
  float totals[8];
  wide_sums(totals, sums);
  for (int r = 0; r < R; r++) {
    const float start = bias != NULL ? bias[r * step] : 0;
    for (int v = 0; v < V; v++) {
      float total = totals[r * V + v] + start;
      if (whole < groups) {
        int32_t rest = 0;
        for (long c = whole * GROUP; c < columns; c++) {
          rest += w[r * step * columns + c] * x[v * columns + c];
        }
        total += (float)rest * (scales[r * step * groups + whole] * steps[v * groups + whole]);
      }
      y[v * ldy + r * step] = total;
    }
  }
}

INLINE void q8_few(
    const int R, const int8_t *w, const float *scales, long step, long columns, const int16_t *x,
    const float *steps, long vectors, const float *bias, float *y, long ldy) {
  switch (vectors) {
    case 1: q8_rows(R, 1, w, scales, step, columns, x, steps, bias, y, ldy); break;
    case 2: q8_rows(R, 2, w, scales, step, columns, x, steps, bias, y, ldy); break;
    case 3: q8_rows(R, 3, w, scales, step, columns, x, steps, bias, y, ldy); break;
    default: q8_rows(R, 4, w, scales, step, columns, x, steps, bias, y, ldy); break;
  }
}

// Rows far apart, as in product.h: four of them for one vector, two for more.
static void q8_matrix_vectors(
    const int8_t *w, const float *scales, long rows, long columns, const int16_t *x,
    const float *steps, long vectors, const float *bias, float *y, long ldy) {
  const long groups = groups_of(columns);
  const long together = vectors == 1 ? 4 : 2;
  const long apart = rows / together;
  for (long first = 0; first < rows;) {
    const long limit = first < together * apart ? apart : rows;
    const long end = first + 4 < limit ? first + 4 : limit;
    for (long v = 0; v < vectors; v += 4) {
      for (long r = first; r < end; r++) {
        const int8_t *weights = w + r * columns;
        const float *own = scales + r * groups;
        const float *start = bias != NULL ? bias + r : NULL;
        const int16_t *in = x + v * columns;
        const float *step = steps + v * groups;
        float *out = y + v * ldy + r;
        if (limit == rows) {
          q8_few(1, weights, own, 0, columns, in, step, vectors - v, start, out, ldy);
        } else if (vectors == 1) {
          q8_rows(4, 1, weights, own, apart, columns, in, step, start, out, ldy);
        } else {
          q8_few(2, weights, own, apart, columns, in, step, vectors - v, start, out, ldy);
        }
      }
    }
    first = end == apart ? together * apart : end;
  }
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

// How floats become 4-bit weights (nibbles.h) and floats again, and their products.

// The sum of squares of what x loses when it is rounded to integers times `scale`. Eight sums side by side,
// of separate products and additions: every instruction set chooses the same scale.
INLINE float q4_loss(const float *x, long count, float scale, float inverse) {
  _Pragma("clang fp contract(off)")
  float sums[8] = {0};
  for (long i = 0; i < count; i++) {
    float integer = x[i] * inverse;
    integer = integer < -8.0f ? -8.0f : integer;
    integer = integer > 7.0f ? 7.0f : integer;
    integer = (integer + 12582912.0f) - 12582912.0f;
    const float product = integer * scale;
    const float loss = x[i] - product;
    const float square = loss * loss;
    sums[i % 8] += square;
  }
  float total = 0;
  for (int i = 0; i < 8; i++) total += sums[i];
  return total;
}

// Rounds a group; returns its scale as bf16. The element of the largest magnitude becomes nearly -8, or
// little less or more where that loses less of the others. As for 8-bit weights, a group with an infinity or
// no number becomes zeros with such a scale, and a scale without an inverse counts as zero.
static uint16_t q4_round(const float *x, long count, uint8_t group[Q4_BYTES]) {
  memset(group, 0, Q4_BYTES);
  float largest = 0;
  for (long i = 0; i < count; i++) {
    const uint32_t magnitude = float_to_bits(x[i]) & 0x7fffffff;
    if (magnitude > (float_to_bits(largest) & 0x7fffffff)) largest = x[i];
  }
  if (!(fabsf(largest) < INFINITY)) return float_to_bf16(largest);
  static const float divisors[4] = {-8.0f, -8.5f, -7.5f, -9.0f};
  uint16_t best = 0;
  float least = INFINITY, inverse = 0;
  for (int i = 0; i < 4; i++) {
    const uint16_t scale = float_to_bf16(largest / divisors[i]);
    const float own = 1.0f / bf16_to_float(scale);
    if (!(fabsf(own) < INFINITY)) continue;
    const float loss = q4_loss(x, count, bf16_to_float(scale), own);
    if (loss < least || best == 0) {
      best = scale;
      least = loss;
      inverse = own;
    }
  }
  if (best == 0) return 0;
  for (long i = 0; i < count; i++) {
    float value = x[i] * inverse;
    value = value < -8.0f ? -8.0f : value;
    value = value > 7.0f ? 7.0f : value;
    const uint32_t bits = (uint32_t)nearest(value) & 15;
    const uint32_t shifted = bits << (i / 16 * 4);
    group[i % 16 * 2] |= (uint8_t)shifted;
    group[i % 16 * 2 + 1] |= (uint8_t)(shifted >> 8);
  }
  return best;
}

static void q4_pack(const float *x, long rows, long columns, uint8_t *w, uint16_t *scales) {
  const long groups = groups_of(columns);
  for (long r = 0; r < rows; r++) {
    for (long g = 0; g < groups; g++) {
      const long count = columns - g * GROUP < GROUP ? columns - g * GROUP : GROUP;
      scales[r * groups + g] =
          q4_round(x + r * columns + g * GROUP, count, w + (r * groups + g) * Q4_BYTES);
    }
  }
}

static void q4_to_float(
    const uint8_t *w, const uint16_t *scales, long columns, long row, long rows, long column,
    long span, float *target) {
  const long groups = groups_of(columns);
  for (long r = 0; r < rows; r++) {
    const uint8_t *source = w + (row + r) * groups * Q4_BYTES;
    const uint16_t *own = scales + (row + r) * groups;
    float *result = target + r * span;
    for (long c = column; c < column + span;) {
      const long g = c / GROUP;
      const long end = (g + 1) * GROUP < column + span ? (g + 1) * GROUP : column + span;
      const float scale = bf16_to_float(own[g]);
      if (end - c == GROUP) {
        q8_words parts[GROUP_PARTS];
        q4_load(parts, source + g * Q4_BYTES);
        int16_t integers[GROUP];
        memcpy(integers, parts, sizeof integers);
        for (int i = 0; i < GROUP; i++) result[c - column + i] = (float)integers[i] * scale;
        c = end;
      } else {
        for (; c < end; c++) {
          result[c - column] = (float)q4_value(source + g * Q4_BYTES, c % GROUP) * scale;
        }
      }
    }
  }
}

static void q4_matrix_vectors(
    const uint8_t *w, const uint16_t *scales, long rows, long columns, const int16_t *x,
    const float *steps, long vectors, const float *bias, float *y, long ldy) {
#if defined(VARIANT_X86) && WIDTH == 16
  if (__builtin_cpu_supports("avx512vnni")) {
    q4_product_vnni(w, scales, rows, columns, x, steps, vectors, bias, y, ldy);
    return;
  }
#endif
  q4_product_plain(w, scales, rows, columns, x, steps, vectors, bias, y, ldy);
}

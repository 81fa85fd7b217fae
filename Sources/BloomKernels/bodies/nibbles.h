// Weights as 4-bit integers, 64 of a row to a scale: weight = integer * scale, integers in -8 ... 7.
//
// A group is 32 bytes: 16-bit word i (little-endian) holds columns i, 16 + i, 32 + i and 48 + i of the
// group, the first in its lowest bits, each in two's complement. Shifts alone then make 16-bit integers of
// them, in the order of the columns. A row ends with a whole group, filled up with zeros. Groups are those of
// the 8-bit weights, so that vectors are rounded alike and turned panels are multiplied by the same kernel.

#define Q4_BYTES BLOOM_Q4_GROUP_BYTES
_Static_assert(BLOOM_Q4_GROUP == GROUP && Q4_BYTES * 2 == GROUP, "groups of both widths are the same");

typedef uint16_t q4_bits __attribute__((vector_size(4 * WIDTH)));

// Bytes of a row.
INLINE long q4_row(long columns) { return groups_of(columns) * Q4_BYTES; }

// A whole group as 16-bit integers, in the order of its columns.
INLINE void q4_load(q8_words parts[GROUP_PARTS], const uint8_t *p) {
#if WIDTH == 16
  typedef uint16_t half __attribute__((vector_size(32)));
  half group;
  memcpy(&group, p, sizeof group);
  const q4_bits both = __builtin_shufflevector(
      group, group, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7, 8,
      9, 10, 11, 12, 13, 14, 15);
  const q4_bits first = {12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12, 12,
                         8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8,  8};
  parts[0] = (q8_words)(both << first) >> 12;
  parts[1] = (q8_words)(both << (first - 8)) >> 12;
#else
  q4_bits group;
  memcpy(&group, p, sizeof group);
  parts[0] = (q8_words)(group << 12) >> 12;
  parts[1] = (q8_words)(group << 8) >> 12;
  parts[2] = (q8_words)(group << 4) >> 12;
  parts[3] = (q8_words)group >> 12;
#endif
}

// One integer of a group.
INLINE int32_t q4_value(const uint8_t *group, long column) {
  const uint32_t word = (uint32_t)group[column % 16 * 2] | (uint32_t)group[column % 16 * 2 + 1] << 8;
  return (int32_t)(((word >> (column / 16 * 4)) & 15) ^ 8) - 8;
}

// Scales times steps of `count` (up to WIDTH) groups.
INLINE void q4_factors(float factors[WIDTH], const uint16_t *scales, const float *steps, long count) {
  if (count == WIDTH) {
    wide scale, step;
    load_bf16(&scale, scales);
    load_f32(&step, steps);
    const wide products = scale * step;
    memcpy(factors, &products, sizeof products);
  } else {
    for (long g = 0; g < count; g++) factors[g] = bf16_to_float(scales[g]) * steps[g];
  }
}

#if defined(VARIANT_X86)
// Sixteen bytes of a row in each quarter (half) of a register, for every fourth row.
INLINE q8_register q4_quarters(const uint8_t *p, long apart) {
#if WIDTH == 16
  q8_register v = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(const void *)p));
  v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(const void *)(p + apart)), 1);
  v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(const void *)(p + 2 * apart)), 2);
  return _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(const void *)(p + 3 * apart)), 3);
#else
  const q8_register v =
      _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)p));
  return _mm256_inserti128_si256(
      v, _mm_loadu_si128((const __m128i *)(const void *)(p + apart)), 1);
#endif
}

// A group of WIDTH rows, `stride` bytes apart, as q8_turn makes it: register `pair * apart` of `panel` has
// columns 2 * pair and 2 * pair + 1 of every row. Asks for the rows `ahead` bytes on.
INLINE void q4_turn(
    const uint8_t *w, long stride, long ahead, wide_integers *panel, long apart) {
  UNROLL for (int r = 0; r < WIDTH; r++) __builtin_prefetch(w + r * stride + ahead, 0, 2);
  UNROLL for (int half = 0; half < 2; half++) {
    q8_register rows[4];
    UNROLL for (int i = 0; i < 4; i++) {
      rows[i] = q4_quarters(w + i * stride + 16 * half, 4 * stride);
    }
    const q8_register low0 = Q8(unpacklo_epi32)(rows[0], rows[1]);
    const q8_register high0 = Q8(unpackhi_epi32)(rows[0], rows[1]);
    const q8_register low1 = Q8(unpacklo_epi32)(rows[2], rows[3]);
    const q8_register high1 = Q8(unpackhi_epi32)(rows[2], rows[3]);
    const q8_register twos[4] = {
      Q8(unpacklo_epi64)(low0, low1), Q8(unpackhi_epi64)(low0, low1),
      Q8(unpacklo_epi64)(high0, high1), Q8(unpackhi_epi64)(high0, high1),
    };
    UNROLL for (int k = 0; k < 4; k++) {
      wide_integers *pair = panel + (4 * half + k) * apart;
      pair[0] = (wide_integers)Q8(srai_epi16)(Q8(slli_epi16)(twos[k], 12), 12);
      pair[8 * apart] = (wide_integers)Q8(srai_epi16)(Q8(slli_epi16)(twos[k], 8), 12);
      pair[16 * apart] = (wide_integers)Q8(srai_epi16)(Q8(slli_epi16)(twos[k], 4), 12);
      pair[24 * apart] = (wide_integers)Q8(srai_epi16)(twos[k], 12);
    }
  }
}
#endif

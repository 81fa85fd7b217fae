// WIDTH floats at a time, and stored elements as such. By pointer, as in lanes.h.

// How far ahead each run of weights is asked for, in bytes. What a processor looks ahead by itself ends sooner
// where a line of weights takes several instructions to convert: fewer lines are under way then.
#define FETCH_AHEAD 2048

typedef float wide __attribute__((vector_size(4 * WIDTH)));
typedef int32_t wide_integers __attribute__((vector_size(4 * WIDTH)));
typedef uint32_t wide_bits __attribute__((vector_size(4 * WIDTH)));
typedef uint16_t wide_halves __attribute__((vector_size(2 * WIDTH)));

INLINE void load_f32(wide *v, const float *p) { memcpy(v, p, sizeof *v); }

INLINE void load_bf16(wide *v, const uint16_t *p) {
  wide_halves halves;
  memcpy(&halves, p, sizeof halves);
  *v = (wide)(__builtin_convertvector(halves, wide_bits) << 16);
}

#if defined(VARIANT_X86) && WIDTH == 16
INLINE void load_f16(wide *v, const uint16_t *p) {
  *v = (wide)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)p));
}

INLINE void wide_to_f16(uint16_t *p, const wide *v) {
  _mm256_storeu_si256(
      (__m256i *)(void *)p,
      _mm512_cvtps_ph((__m512)*v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
#elif defined(VARIANT_X86)
INLINE void load_f16(wide *v, const uint16_t *p) {
  *v = (wide)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}

INLINE void wide_to_f16(uint16_t *p, const wide *v) {
  _mm_storeu_si128(
      (__m128i *)(void *)p,
      _mm256_cvtps_ph((__m256)*v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
#elif defined(__aarch64__)
typedef __fp16 wide_fp16 __attribute__((vector_size(2 * WIDTH)));
INLINE void load_f16(wide *v, const uint16_t *p) {
  wide_fp16 halves;
  memcpy(&halves, p, sizeof halves);
  *v = __builtin_convertvector(halves, wide);
}

INLINE void wide_to_f16(uint16_t *p, const wide *v) {
  const wide_fp16 halves = __builtin_convertvector(*v, wide_fp16);
  memcpy(p, &halves, sizeof halves);
}
#else
// As f16_to_float, WIDTH at a time.
INLINE void load_f16(wide *v, const uint16_t *p) {
  wide_halves halves;
  memcpy(&halves, p, sizeof halves);
  const wide_bits bits = __builtin_convertvector(halves, wide_bits);
  const wide scaled = (wide)((bits & 0x7fff) << 13) * 0x1p112f;
  const wide_bits special = (wide_bits)((bits & 0x7c00) == 0x7c00) & 0x7f800000;
  *v = (wide)((wide_bits)scaled | special | (bits & 0x8000) << 16);
}

INLINE void wide_to_f16(uint16_t *p, const wide *v) {
  for (int i = 0; i < WIDTH; i++) p[i] = float_to_f16((*v)[i]);
}
#endif

// sums[i] = the sum of v[i], for eight vectors.
INLINE void wide_sums(float sums[8], const wide v[8]) {
  lanes totals;
#if WIDTH == 16
  // As lanes_sums; the upper halves go along and are added last.
  wide pairs[4];
  for (int i = 0; i < 4; i++) {
    pairs[i] = LANES_SHUFFLE(
                   v[2 * i], v[2 * i + 1], 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14,
                   30) +
               LANES_SHUFFLE(
                   v[2 * i], v[2 * i + 1], 1, 17, 3, 19, 5, 21, 7, 23, 9, 25, 11, 27, 13, 29, 15,
                   31);
  }
  wide quads[2];
  for (int i = 0; i < 2; i++) {
    quads[i] = LANES_SHUFFLE(
                   pairs[2 * i], pairs[2 * i + 1], 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12,
                   13, 28, 29) +
               LANES_SHUFFLE(
                   pairs[2 * i], pairs[2 * i + 1], 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14,
                   15, 30, 31);
  }
  // Quarters 0 and 2 of both, and 1 and 3.
  const wide eighths =
      LANES_SHUFFLE(
          quads[0], quads[1], 0, 1, 2, 3, 8, 9, 10, 11, 16, 17, 18, 19, 24, 25, 26, 27) +
      LANES_SHUFFLE(
          quads[0], quads[1], 4, 5, 6, 7, 12, 13, 14, 15, 20, 21, 22, 23, 28, 29, 30, 31);
  const wide other = LANES_SHUFFLE(
      eighths, eighths, 4, 5, 6, 7, 4, 5, 6, 7, 12, 13, 14, 15, 12, 13, 14, 15) + eighths;
  totals = LANES_SHUFFLE(other, other, 0, 1, 2, 3, 8, 9, 10, 11);
#else
  lanes_sums(&totals, v);
#endif
  lanes_store(sums, &totals);
}

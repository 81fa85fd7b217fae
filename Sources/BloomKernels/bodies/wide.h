// WIDTH floats at a time, and stored elements as such. By pointer, as in lanes.h.

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
#elif defined(VARIANT_X86)
INLINE void load_f16(wide *v, const uint16_t *p) {
  *v = (wide)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}
#elif defined(__aarch64__)
typedef __fp16 wide_fp16 __attribute__((vector_size(2 * WIDTH)));
INLINE void load_f16(wide *v, const uint16_t *p) {
  wide_fp16 halves;
  memcpy(&halves, p, sizeof halves);
  *v = __builtin_convertvector(halves, wide);
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
#endif

// sums[i] = the sum of v[i], for eight vectors.
INLINE void wide_sums(float sums[8], const wide v[8]) {
  lanes totals;
#if WIDTH == 16
  lanes folded[8];
  for (int i = 0; i < 8; i++) {
    folded[i] = LANES_SHUFFLE(v[i], v[i], 0, 1, 2, 3, 4, 5, 6, 7) +
                LANES_SHUFFLE(v[i], v[i], 8, 9, 10, 11, 12, 13, 14, 15);
  }
  lanes_sums(&totals, folded);
#else
  lanes_sums(&totals, v);
#endif
  lanes_store(sums, &totals);
}

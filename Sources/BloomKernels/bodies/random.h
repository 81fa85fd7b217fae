// Seeded numbers: SplitMix64 by position (Steele, Lea, Flood 2014); none needs those before it.

INLINE uint64_t mixed(uint64_t seed, uint64_t position) {
  uint64_t z = seed + (position + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

// One multiplication of an exact integer: every instruction set rounds it alike.
INLINE float uniform_value(uint64_t seed, uint64_t position, float step) {
  const int32_t integer = (int32_t)(mixed(seed, position) >> 40) - (1 << 23);
  return (float)integer * step;
}

INLINE float sign_value(uint64_t seed, uint64_t position, float magnitude) {
  return (mixed(seed, position) >> 63) != 0 ? -magnitude : magnitude;
}

INLINE float paired_value(uint64_t seed, uint64_t position, float step) {
  const float value = uniform_value(seed, position >> 1, step);
  return (position & 1) != 0 ? -value : value;
}

// Fills `target` with VALUE(seed, position, step), encoded as its element type.
#define FILL(VALUE)                                                                       \
  const float step = limit * 0x1p-23f;                                                    \
  switch (element) {                                                                      \
    case BLOOM_F32:                                                                       \
      for (long i = 0; i < count; i++) {                                                  \
        ((float *)target)[i] = VALUE(seed, first + (uint64_t)i, step);                    \
      }                                                                                   \
      break;                                                                              \
    case BLOOM_F16:                                                                       \
      for (long i = 0; i < count; i++) {                                                  \
        ((uint16_t *)target)[i] = float_to_f16(VALUE(seed, first + (uint64_t)i, step));   \
      }                                                                                   \
      break;                                                                              \
    case BLOOM_BF16:                                                                      \
      for (long i = 0; i < count; i++) {                                                  \
        ((uint16_t *)target)[i] = float_to_bf16(VALUE(seed, first + (uint64_t)i, step));  \
      }                                                                                   \
      break;                                                                              \
  }

static void uniform(
    uint64_t seed, uint64_t first, long count, float limit, bloom_element element, void *target) {
  FILL(uniform_value)
}

static void uniform_pairs(
    uint64_t seed, uint64_t first, long count, float limit, bloom_element element, void *target) {
  FILL(paired_value)
}

static void signs(
    uint64_t seed, uint64_t first, long count, float magnitude, bloom_element element,
    void *target) {
  for (long i = 0; i < count; i++) {
    const float value = sign_value(seed, first + (uint64_t)i, magnitude);
    switch (element) {
      case BLOOM_F32:
        ((float *)target)[i] = value;
        break;
      case BLOOM_F16:
        ((uint16_t *)target)[i] = float_to_f16(value);
        break;
      case BLOOM_BF16:
        ((uint16_t *)target)[i] = float_to_bf16(value);
        break;
    }
  }
}

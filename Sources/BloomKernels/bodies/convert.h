// Stored elements to floats and back.

#define CONVERT(NAME, LOAD, ONE)                                             \
  static void NAME(const uint16_t *source, long count, float *target) {      \
    long i = 0;                                                              \
    for (; i + WIDTH <= count; i += WIDTH) {                                 \
      wide v;                                                                \
      LOAD(&v, source + i);                                                  \
      memcpy(target + i, &v, sizeof v);                                      \
    }                                                                        \
    for (; i < count; i++) target[i] = ONE(source[i]);                       \
  }

CONVERT(f16_to_floats, load_f16, f16_to_float)
CONVERT(bf16_to_floats, load_bf16, bf16_to_float)

static void to_float(bloom_element element, const void *source, long count, float *target) {
  switch (element) {
    case BLOOM_F32:
      memcpy(target, source, (size_t)count * sizeof(float));
      break;
    case BLOOM_F16:
      f16_to_floats(source, count, target);
      break;
    case BLOOM_BF16:
      bf16_to_floats(source, count, target);
      break;
  }
}

static void from_float(bloom_element element, const float *source, long count, void *target) {
  switch (element) {
    case BLOOM_F32:
      memcpy(target, source, (size_t)count * sizeof(float));
      break;
    case BLOOM_F16:
      for (long i = 0; i < count; i++) ((uint16_t *)target)[i] = float_to_f16(source[i]);
      break;
    case BLOOM_BF16:
      for (long i = 0; i < count; i++) ((uint16_t *)target)[i] = float_to_bf16(source[i]);
      break;
  }
}

#include "BloomKernels.h"
#include "clones.h"
#include "half.h"

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("avx2,f16c")))
static void f16_to_float_f16c(const uint16_t *source, long count, float *target) {
  long i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m128i halves = _mm_loadu_si128((const __m128i *)(const void *)(source + i));
    _mm256_storeu_ps(target + i, _mm256_cvtph_ps(halves));
  }
  for (; i < count; i++) target[i] = f16_to_float(source[i]);
}
#endif

BLOOM_CLONES
static void f16_to_float_portable(const uint16_t *source, long count, float *target) {
  for (long i = 0; i < count; i++) target[i] = f16_to_float(source[i]);
}

BLOOM_CLONES
static void bf16_to_float_all(const uint16_t *source, long count, float *target) {
  for (long i = 0; i < count; i++) target[i] = bf16_to_float(source[i]);
}

void bloom_to_float(bloom_element element, const void *source, long count, float *target) {
  switch (element) {
    case BLOOM_F32:
      memcpy(target, source, (size_t)count * sizeof(float));
      break;
    case BLOOM_BF16:
      bf16_to_float_all(source, count, target);
      break;
    case BLOOM_F16:
#if defined(__x86_64__)
      if (__builtin_cpu_supports("f16c") && __builtin_cpu_supports("avx2")) {
        f16_to_float_f16c(source, count, target);
        break;
      }
#endif
      f16_to_float_portable(source, count, target);
      break;
  }
}

void bloom_from_float(bloom_element element, const float *source, long count, void *target) {
  switch (element) {
    case BLOOM_F32:
      memcpy(target, source, (size_t)count * sizeof(float));
      break;
    case BLOOM_BF16:
      for (long i = 0; i < count; i++) ((uint16_t *)target)[i] = float_to_bf16(source[i]);
      break;
    case BLOOM_F16:
      for (long i = 0; i < count; i++) ((uint16_t *)target)[i] = float_to_f16(source[i]);
      break;
  }
}

void bloom_tile_to_float(
    bloom_element element, const void *source, long rows, long columns, long ld, float *target) {
  const long size = element == BLOOM_F32 ? 4 : 2;
  for (long r = 0; r < rows; r++) {
    const char *row = (const char *)source + r * ld * size;
    bloom_to_float(element, row, columns, target + r * columns);
  }
}

// exp(x) in single precision, written so that a compiler can vectorise it.
#ifndef BLOOM_EXPONENTIAL_H
#define BLOOM_EXPONENTIAL_H

#include <stdint.h>
#include <string.h>

// Relative error below 2e-7 on [-87, 88]; clamped outside. The polynomial is the classic one of
// Cephes' expf: 2^n times a degree-six polynomial of the remainder.
static inline __attribute__((always_inline)) float bloom_exp(float x) {
  x = x > 88.0f ? 88.0f : x;
  x = x < -87.0f ? -87.0f : x;
  // Adding and subtracting 1.5 * 2^23 rounds to the nearest integer in any vector instruction set.
  const float magic = 12582912.0f;
  const float n = (x * 1.44269504f + magic) - magic;
  float r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const int32_t bits = ((int32_t)n + 127) << 23;
  float power;
  memcpy(&power, &bits, sizeof power);
  return p * power;
}

#endif

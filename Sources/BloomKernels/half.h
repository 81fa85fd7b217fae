// Half-precision numbers as integers: exact both ways, on any processor.
#ifndef BLOOM_HALF_H
#define BLOOM_HALF_H

#include <stdint.h>
#include <string.h>

static inline __attribute__((always_inline)) float bits_to_float(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline __attribute__((always_inline)) uint32_t float_to_bits(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline __attribute__((always_inline)) float bf16_to_float(uint16_t half) {
  return bits_to_float((uint32_t)half << 16);
}

static inline __attribute__((always_inline)) float f16_to_float(uint16_t half) {
#if defined(__aarch64__)
  __fp16 value;
  memcpy(&value, &half, sizeof value);
  return (float)value;
#else
  // The exponent and mantissa, moved to a float's place, are the value times 2^-112; one exact
  // multiplication repairs that for normal and subnormal numbers alike. Infinities and NaN keep
  // their full exponent by hand.
  const uint32_t magnitude = (uint32_t)(half & 0x7fff) << 13;
  const float scaled = bits_to_float(magnitude) * 0x1p112f;
  const uint32_t special = (half & 0x7c00) == 0x7c00 ? 0x7f800000u : 0;
  const uint32_t sign = (uint32_t)(half & 0x8000) << 16;
  return bits_to_float(float_to_bits(scaled) | special | sign);
#endif
}

static inline __attribute__((always_inline)) uint16_t float_to_bf16(float value) {
  const uint32_t bits = float_to_bits(value);
  // A NaN must stay one: rounding could carry it into infinity.
  if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)((bits >> 16) | 0x40);
  return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

static inline __attribute__((always_inline)) uint16_t float_to_f16(float value) {
  const uint32_t bits = float_to_bits(value);
  const uint16_t sign = (uint16_t)((bits >> 16) & 0x8000);
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  if (magnitude >= 0x477ff000) return sign | 0x7c00;  // 65520 and above round to infinity
  if (magnitude < 0x38800000) {
    // Below 2^-14 a half is subnormal: adding 0.5 lets the float's own rounding cut the mantissa.
    const float shifted = bits_to_float(magnitude) + 0.5f;
    return sign | (uint16_t)(float_to_bits(shifted) - 0x3f000000);
  }
  const uint32_t rounded = magnitude + 0xfff + ((magnitude >> 13) & 1);
  return sign | (uint16_t)((rounded - 0x38000000) >> 13);
}

#endif

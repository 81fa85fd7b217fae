// Attention over cached keys and values.

// e^v for v up to 0; as bloom_exp, WIDTH at a time.
INLINE void wide_exp(wide *v) {
  // Below -87 it is as good as zero. What is no number compares false, and stays none.
  const wide_bits low = (wide_bits)(*v < -87.0f);
  const wide x = (wide)(((wide_bits)*v & ~low) | (float_to_bits(-87.0f) & low));
  const wide shifted = x * 1.44269504f + 12582912.0f;
  const wide n = shifted - 12582912.0f;
  const wide r = x - n * 0.693359375f + n * 2.12194440e-4f;
  wide p = r * 1.9875691500e-4f + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  // The low bits of `shifted` are the integer n.
  const wide_bits power = ((wide_bits)shifted - 0x4b400000u + 127) << 23;
  *v = p * (wide)power;
}

// Differences from the largest score below which a key counts for nothing: e^-60 is 10^-26, where a
// float's last bit is 10^-7 of the whole. Zero, and not the tiny number that it is: its products with
// values would be subnormal, which take processors a hundred times as long.
#define NEGLIGIBLE -60.0f

// Turns `length` scores into probabilities up to the factor that is returned: the inverse of their
// sum. The ALiBi term counts from the last visible key: a constant added to a whole row leaves its
// softmax unchanged, and small terms round less.
INLINE float soften(float *scores, long length, float scale, float slope) {
  _Pragma("clang fp contract(fast)")
  const int32_t last = (int32_t)length - 1;
  const long whole = length / WIDTH * WIDTH;
  wide_integers position;
  for (int i = 0; i < WIDTH; i++) position[i] = i - last;
  wide largest_of;
  for (int i = 0; i < WIDTH; i++) largest_of[i] = -INFINITY;
  float largest = -INFINITY;
  for (long j = 0; j < whole; j += WIDTH) {
    wide s;
    load_f32(&s, scores + j);
    s = s * scale + slope * __builtin_convertvector(position, wide);
    memcpy(scores + j, &s, sizeof s);
    largest_of = __builtin_elementwise_max(largest_of, s);
    position += WIDTH;
  }
  for (long j = whole; j < length; j++) {
    scores[j] = scores[j] * scale + slope * (float)((int32_t)j - last);
    largest = scores[j] > largest ? scores[j] : largest;
  }
  for (int i = 0; i < WIDTH; i++) largest = largest_of[i] > largest ? largest_of[i] : largest;
  wide sums = {0};
  for (long j = 0; j < whole; j += WIDTH) {
    wide s;
    load_f32(&s, scores + j);
    s -= largest;
    const wide_bits counts = ~(wide_bits)(s < NEGLIGIBLE);
    wide_exp(&s);
    s = (wide)((wide_bits)s & counts);
    memcpy(scores + j, &s, sizeof s);
    sums += s;
  }
  float sum = 0;
  for (long j = whole; j < length; j++) {
    const float difference = scores[j] - largest;
    scores[j] = difference < NEGLIGIBLE ? 0 : bloom_exp(difference);
    sum += scores[j];
  }
  for (int i = 0; i < WIDTH; i++) sum += sums[i];
  return 1.0f / sum;
}

static void causal_softmax(
    float *scores, long rows, long length, long first, float scale, float slope) {
  for (long r = 0; r < rows; r++) {
    float *row = scores + r * length;
    const long visible = first + r + 1 < length ? first + r + 1 : length;
    const float inverse = soften(row, visible, scale, slope);
    for (long j = 0; j < visible; j++) row[j] *= inverse;
    for (long j = visible; j < length; j++) row[j] = 0;
  }
}

#include "attention_scores.h"

#define TYPE f32
#define STORED float
#define LOAD load_f32
#define VALUE(x) (x)
#include "attention_stored.h"

#define TYPE f16
#define STORED uint16_t
#define LOAD load_f16
#define VALUE f16_to_float
#include "attention_stored.h"

static float dot(const float *a, const float *b, long count) { return dot_f32(a, b, count); }

static void attend(
    bloom_element element, const float *query, const void *keys, const void *values, long length,
    long d, float scale, float slope, float *scores, float *y) {
  if (element == BLOOM_F16) {
    attend_f16(query, keys, values, length, d, scale, slope, scores, y);
  } else {
    attend_f32(query, keys, values, length, d, scale, slope, scores, y);
  }
}

static void attend_rows(
    bloom_element element, const float *queries, long ldq, long rows, const void *keys,
    const void *values, long first, long d, float scale, float slope, float *scores, float *y,
    long ldy) {
  if (element == BLOOM_F16) {
    attend_rows_f16(
        queries, ldq, rows, keys, values, first, d, scale, slope, scores, y, ldy);
  } else {
    attend_rows_f32(
        queries, ldq, rows, keys, values, first, d, scale, slope, scores, y, ldy);
  }
}

static float store_f16(const float *x, long count, long step, uint16_t *target) {
  BLOOM_REORDER
  wide squares = {0};
  long i = 0;
  for (; i + WIDTH <= count; i += WIDTH) {
    wide v;
    uint16_t halves[WIDTH];
    load_f32(&v, x + i);
    wide_to_f16(halves, &v);
    load_f16(&v, halves);
    squares += v * v;
    if (step == 1) {
      memcpy(target + i, halves, sizeof halves);
    } else {
      UNROLL for (int k = 0; k < WIDTH; k++) target[(i + k) * step] = halves[k];
    }
  }
  float sum = 0;
  for (; i < count; i++) {
    const uint16_t half = float_to_f16(x[i]);
    const float v = f16_to_float(half);
    target[i * step] = half;
    sum += v * v;
  }
  for (int k = 0; k < WIDTH; k++) sum += squares[k];
  return sum;
}

static void causal_softmax_backward(
    const float *p, float *dp, long rows, long length, float scale) {
  for (long r = 0; r < rows; r++) {
    const float *probabilities = p + r * length;
    float *gradient = dp + r * length;
    const float projection = dot_f32(probabilities, gradient, length);
    // Beyond the diagonal the probability is zero, and so is the gradient.
    for (long j = 0; j < length; j++) {
      gradient[j] = probabilities[j] * (gradient[j] - projection) * scale;
    }
  }
}

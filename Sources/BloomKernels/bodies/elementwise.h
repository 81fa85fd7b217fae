// Sums, maxima and exponentials over whole runs.

static void add(const float *x, long count, float *y) {
  for (long i = 0; i < count; i++) y[i] += x[i];
}

static float largest_of(const float *x, long count) {
  BLOOM_REORDER
  float largest = x[0];
  for (long i = 1; i < count; i++) largest = x[i] > largest ? x[i] : largest;
  return largest;
}

static long argmax(const float *x, long count) {
  if (count <= 0) return -1;
  // Blocks of 1024: the vectorised maximum decides which block is searched for the index.
  long best = 0;
  float best_value = x[0];
  for (long start = 0; start < count; start += 1024) {
    const long length = count - start < 1024 ? count - start : 1024;
    if (largest_of(x + start, length) > best_value) {
      for (long i = start; i < start + length; i++) {
        if (x[i] > best_value) {
          best_value = x[i];
          best = i;
        }
      }
    }
  }
  return best;
}

static float exponentials(float *x, long count, float largest, float inverseTemperature) {
  for (long i = 0; i < count; i++) x[i] = bloom_exp((x[i] - largest) * inverseTemperature);
  {
    BLOOM_REORDER
    float sum = 0;
    for (long i = 0; i < count; i++) sum += x[i];
    return sum;
  }
}

static float largest_magnitude(const float *x, long count) {
  // Magnitudes order like their bits, and infinities and NaN come last.
  uint32_t largest = 0;
  for (long i = 0; i < count; i++) {
    const uint32_t magnitude = float_to_bits(x[i]) & 0x7fffffff;
    largest = magnitude > largest ? magnitude : largest;
  }
  return bits_to_float(largest > 0x7f800000 ? 0x7f800000 : largest);
}

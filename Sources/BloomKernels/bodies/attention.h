// Attention over cached keys and values.

INLINE float dot(const float *a, const float *b, long n) {
  BLOOM_REORDER
  float sum = 0;
  for (long i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

// Turns `length` scores into probabilities. The ALiBi term counts from the last visible key:
// a constant added to a whole row leaves its softmax unchanged, and small terms round less.
INLINE void soften(
    float *scores, long length, float scale, float slope) {
  // 32-bit positions: no processor before AVX-512 converts 64-bit integers eight at a time.
  const int32_t last = (int32_t)length - 1;
  for (int32_t j = 0; j <= last; j++) scores[j] = scores[j] * scale + slope * (float)(j - last);
  float largest = scores[0];
  float sum = 0;
  {
    BLOOM_REORDER
    for (long j = 1; j < length; j++) largest = scores[j] > largest ? scores[j] : largest;
  }
  for (long j = 0; j < length; j++) scores[j] = bloom_exp(scores[j] - largest);
  {
    BLOOM_REORDER
    for (long j = 0; j < length; j++) sum += scores[j];
  }
  const float inverse = 1.0f / sum;
  for (long j = 0; j < length; j++) scores[j] *= inverse;
}

// scores[j] = query . keys[j], eight keys at a time.
INLINE void score(
    const float *query, const float *keys, long length, long d, float *scores) {
  BLOOM_REORDER
  const long whole = d & ~7L;
  long j = 0;
  for (; j + 8 <= length; j += 8) {
    lanes sums[8] = {0};
    for (long c = 0; c < whole; c += 8) {
      lanes q;
      lanes_load(&q, query + c);
      for (int i = 0; i < 8; i++) {
        lanes k;
        lanes_load(&k, keys + (j + i) * d + c);
        sums[i] += q * k;
      }
    }
    lanes totals;
    lanes_sums(&totals, sums);
    lanes_store(scores + j, &totals);
    for (long c = whole; c < d; c++) {
      for (int i = 0; i < 8; i++) scores[j + i] += query[c] * keys[(j + i) * d + c];
    }
  }
  for (; j < length; j++) scores[j] = dot(query, keys + j * d, d);
}

// y = the sum over j of scores[j] * values[j]: sixteen columns at a time, four rows at once, so that
// the sums stay in registers and none waits for the one before.
INLINE void gather(
    const float *scores, const float *values, long length, long d, float *y) {
  BLOOM_REORDER
  long c = 0;
  for (; c + 16 <= d; c += 16) {
    lanes low[4] = {0};
    lanes high[4] = {0};
    long j = 0;
    for (; j + 4 <= length; j += 4) {
      for (int i = 0; i < 4; i++) {
        lanes a, b;
        lanes_load(&a, values + (j + i) * d + c);
        lanes_load(&b, values + (j + i) * d + c + 8);
        low[i] += scores[j + i] * a;
        high[i] += scores[j + i] * b;
      }
    }
    for (; j < length; j++) {
      lanes a, b;
      lanes_load(&a, values + j * d + c);
      lanes_load(&b, values + j * d + c + 8);
      low[0] += scores[j] * a;
      high[0] += scores[j] * b;
    }
    const lanes first = low[0] + low[1] + (low[2] + low[3]);
    const lanes second = high[0] + high[1] + (high[2] + high[3]);
    lanes_store(y + c, &first);
    lanes_store(y + c + 8, &second);
  }
  if (c == d) return;
  for (long k = c; k < d; k++) y[k] = 0;
  for (long j = 0; j < length; j++) {
    for (long k = c; k < d; k++) y[k] += scores[j] * values[j * d + k];
  }
}

static void attend(
    const float *query, const float *keys, const float *values, long length, long d,
    float scale, float slope, float *scores, float *y) {
  score(query, keys, length, d, scores);
  soften(scores, length, scale, slope);
  gather(scores, values, length, d, y);
}

static void causal_softmax(
    float *scores, long rows, long length, long first, float scale, float slope) {
  for (long r = 0; r < rows; r++) {
    float *row = scores + r * length;
    const long visible = first + r + 1 < length ? first + r + 1 : length;
    soften(row, visible, scale, slope);
    for (long j = visible; j < length; j++) row[j] = 0;
  }
}

static void causal_softmax_backward(
    const float *p, float *dp, long rows, long length, float scale) {
  for (long r = 0; r < rows; r++) {
    const float *probabilities = p + r * length;
    float *gradient = dp + r * length;
    const float projection = dot(probabilities, gradient, length);
    // Beyond the diagonal the probability is zero, and so is the gradient.
    for (long j = 0; j < length; j++) {
      gradient[j] = probabilities[j] * (gradient[j] - projection) * scale;
    }
  }
}

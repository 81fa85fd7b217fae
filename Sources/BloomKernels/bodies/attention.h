// Attention over cached keys and values.

INLINE float dot(const float *a, const float *b, long n) {
  BLOOM_REORDER
  float sum = 0;
  for (long i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

static float dot_product(const float *a, const float *b, long count) { return dot(a, b, count); }

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

// scores[j] = query . keys[j], eight keys at a time.
INLINE void score(
    const float *query, const float *keys, long length, long d, float *scores) {
  _Pragma("clang fp contract(fast)")
  const long whole = d / WIDTH * WIDTH;
  long j = 0;
  for (; j + 8 <= length; j += 8) {
    wide sums[8];
    UNROLL for (int i = 0; i < 8; i++) sums[i] = (wide){0};
    for (long c = 0; c < whole; c += WIDTH) {
      wide q;
      load_f32(&q, query + c);
      UNROLL for (int i = 0; i < 8; i++) {
        const float *key = keys + (j + i) * d + c;
        wide k;
        load_f32(&k, key);
        __builtin_prefetch((const char *)key + FETCH_AHEAD);
        sums[i] += q * k;
      }
    }
    wide_sums(scores + j, sums);
    for (long c = whole; c < d; c++) {
      for (int i = 0; i < 8; i++) scores[j + i] += query[c] * keys[(j + i) * d + c];
    }
  }
  for (; j < length; j++) scores[j] = dot(query, keys + j * d, d);
}

// y = the sum over j of scores[j] * values[j], for N registers of columns. U rows at once have sums of their
// own, so that none waits for the one before.
INLINE void gather_columns(
    const int N, const int U, const float *scores, const float *values, long length, long d,
    float *y) {
  _Pragma("clang fp contract(fast)")
  wide sums[8][8];
  UNROLL for (int u = 0; u < U; u++) {
    UNROLL for (int n = 0; n < N; n++) sums[u][n] = (wide){0};
  }
  long j = 0;
  for (; j + U <= length; j += U) {
    UNROLL for (int u = 0; u < U; u++) {
      const float *row = values + (j + u) * d;
      UNROLL for (int n = 0; n < N; n++) {
        wide value;
        load_f32(&value, row + n * WIDTH);
        __builtin_prefetch((const char *)(row + n * WIDTH) + FETCH_AHEAD);
        sums[u][n] += value * scores[j + u];
      }
    }
  }
  for (; j < length; j++) {
    UNROLL for (int n = 0; n < N; n++) {
      wide value;
      load_f32(&value, values + j * d + n * WIDTH);
      sums[0][n] += value * scores[j];
    }
  }
  UNROLL for (int n = 0; n < N; n++) {
    wide sum = sums[0][n];
    UNROLL for (int u = 1; u < U; u++) sum += sums[u][n];
    memcpy(y + n * WIDTH, &sum, sizeof sum);
  }
}

// All columns: as many of a row at once as the registers take, so that memory is read as it lies.
INLINE void gather(
    const float *scores, const float *values, long length, long d, float *y) {
  long c = 0;
  for (; c + 64 <= d; c += 64) {
    gather_columns(64 / WIDTH, WIDTH / 8, scores, values + c, length, d, y + c);
  }
  for (; c + 16 <= d; c += 16) {
    gather_columns(16 / WIDTH, WIDTH / 2, scores, values + c, length, d, y + c);
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
  const float inverse = soften(scores, length, scale, slope);
  gather(scores, values, length, d, y);
  for (long c = 0; c < d; c++) y[c] *= inverse;
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

// Columns c ..< c + N * WIDTH of R rows of y: the sums over j of scores[r, j] * values[j]. Values are read
// once for all rows.
INLINE void mix(
    const int R, const int N, const float *scores, long length, long keys, const float *values,
    long d, float *y, long ldy) {
  _Pragma("clang fp contract(fast)")
  wide sums[16];
  UNROLL for (int i = 0; i < R * N; i++) sums[i] = (wide){0};
  for (long j = 0; j < keys; j++) {
    wide value[4];
    UNROLL for (int n = 0; n < N; n++) load_f32(&value[n], values + j * d + n * WIDTH);
    UNROLL for (int r = 0; r < R; r++) {
      const float p = scores[r * length + j];
      UNROLL for (int n = 0; n < N; n++) sums[r * N + n] += value[n] * p;
    }
  }
  UNROLL for (int r = 0; r < R; r++) {
    UNROLL for (int n = 0; n < N; n++) {
      memcpy(y + r * ldy + n * WIDTH, &sums[r * N + n], sizeof(wide));
    }
  }
}

// All columns of R rows.
INLINE void mix_rows(
    const int R, const float *scores, long length, long keys, const float *values, long d,
    float *y, long ldy) {
  const int most = WIDTH == 16 ? 4 : 2;
  long c = 0;
  for (; c + most * WIDTH <= d; c += most * WIDTH) {
    mix(R, most, scores, length, keys, values + c, d, y + c, ldy);
  }
  for (; c + WIDTH <= d; c += WIDTH) {
    mix(R, 1, scores, length, keys, values + c, d, y + c, ldy);
  }
  for (; c < d; c++) {
    for (long r = 0; r < R; r++) {
      float sum = 0;
      for (long j = 0; j < keys; j++) sum += scores[r * length + j] * values[j * d + c];
      y[r * ldy + c] = sum;
    }
  }
}

static void attend_rows(
    const float *queries, long ldq, long rows, const float *keys, const float *values, long first,
    long d, float scale, float slope, float *scores, float *y, long ldy) {
  const long length = first + rows;
  product_f32(keys, length, d, queries, ldq, rows, NULL, scores, length);
  causal_softmax(scores, rows, length, first, scale, slope);
  long r = 0;
  for (; r + 4 <= rows; r += 4) {
    // Beyond the last of these rows' own keys all are zero.
    mix_rows(
        4, scores + r * length, length, first + r + 4, values, d, y + r * ldy, ldy);
  }
  for (; r < rows; r++) {
    mix_rows(1, scores + r * length, length, first + r + 1, values, d, y + r * ldy, ldy);
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

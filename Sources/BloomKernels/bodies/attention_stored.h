// Attention over keys and values of one stored type, included by attention.h with TYPE, STORED, LOAD and
// VALUE, behind the type's scores. Stored elements become floats in registers: the bytes of keys and values
// are the limit.

#define JOINED(A, B) A##_##B
#define NAMED(A, B) JOINED(A, B)

// y = the sum over j of scores[j] * values[j], for N registers of columns. U rows at once have sums of their
// own, so that none waits for the one before.
INLINE void NAMED(gather_columns, TYPE)(
    const int N, const int U, const float *scores, const STORED *values, long length, long d,
    float *y) {
  _Pragma("clang fp contract(fast)")
  wide sums[8][8];
  UNROLL for (int u = 0; u < U; u++) {
    UNROLL for (int n = 0; n < N; n++) sums[u][n] = (wide){0};
  }
  long j = 0;
  for (; j + U <= length; j += U) {
    UNROLL for (int u = 0; u < U; u++) {
      const STORED *row = values + (j + u) * d;
      UNROLL for (int n = 0; n < N; n++) {
        wide value;
        LOAD(&value, row + n * WIDTH);
        __builtin_prefetch((const char *)(row + n * WIDTH) + FETCH_AHEAD);
        sums[u][n] += value * scores[j + u];
      }
    }
  }
  for (; j < length; j++) {
    UNROLL for (int n = 0; n < N; n++) {
      wide value;
      LOAD(&value, values + j * d + n * WIDTH);
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
INLINE void NAMED(gather, TYPE)(
    const float *scores, const STORED *values, long length, long d, float *y) {
  long c = 0;
  for (; c + 64 <= d; c += 64) {
    NAMED(gather_columns, TYPE)(64 / WIDTH, WIDTH / 8, scores, values + c, length, d, y + c);
  }
  for (; c + 16 <= d; c += 16) {
    NAMED(gather_columns, TYPE)(16 / WIDTH, WIDTH / 2, scores, values + c, length, d, y + c);
  }
  if (c == d) return;
  for (long k = c; k < d; k++) y[k] = 0;
  for (long j = 0; j < length; j++) {
    for (long k = c; k < d; k++) y[k] += scores[j] * VALUE(values[j * d + k]);
  }
}

// Not inlined: a compiler that joins it with the other type's fuses other products with additions in what is
// left over, and results of one type would depend on there being another.
static __attribute__((noinline)) void NAMED(attend, TYPE)(
    const float *query, const STORED *keys, const STORED *values, long length, long d,
    float scale, float slope, float *scores, float *y) {
  NAMED(score, TYPE)(query, keys, length, d, scores);
  const float inverse = soften(scores, length, scale, slope);
  NAMED(gather, TYPE)(scores, values, length, d, y);
  for (long c = 0; c < d; c++) y[c] *= inverse;
}

// Columns c ..< c + N * WIDTH of R rows of y: the sums over j of scores[r, j] * values[j]. Values are read
// once for all rows.
INLINE void NAMED(mix, TYPE)(
    const int R, const int N, const float *scores, long length, long keys, const STORED *values,
    long d, float *y, long ldy) {
  _Pragma("clang fp contract(fast)")
  wide sums[16];
  UNROLL for (int i = 0; i < R * N; i++) sums[i] = (wide){0};
  for (long j = 0; j < keys; j++) {
    wide value[4];
    UNROLL for (int n = 0; n < N; n++) LOAD(&value[n], values + j * d + n * WIDTH);
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
INLINE void NAMED(mix_rows, TYPE)(
    const int R, const float *scores, long length, long keys, const STORED *values, long d,
    float *y, long ldy) {
  const int most = WIDTH == 16 ? 4 : 2;
  long c = 0;
  for (; c + most * WIDTH <= d; c += most * WIDTH) {
    NAMED(mix, TYPE)(R, most, scores, length, keys, values + c, d, y + c, ldy);
  }
  for (; c + WIDTH <= d; c += WIDTH) {
    NAMED(mix, TYPE)(R, 1, scores, length, keys, values + c, d, y + c, ldy);
  }
  for (; c < d; c++) {
    for (long r = 0; r < R; r++) {
      float sum = 0;
      for (long j = 0; j < keys; j++) sum += scores[r * length + j] * VALUE(values[j * d + c]);
      y[r * ldy + c] = sum;
    }
  }
}

static void NAMED(attend_rows, TYPE)(
    const float *queries, long ldq, long rows, const STORED *keys, const STORED *values, long first,
    long d, float scale, float slope, float *scores, float *y, long ldy) {
  const long length = first + rows;
  NAMED(score_rows, TYPE)(queries, ldq, rows, keys, length, d, scores);
  causal_softmax(scores, rows, length, first, scale, slope);
  long r = 0;
  for (; r + 4 <= rows; r += 4) {
    // Beyond the last of these rows' own keys all are zero.
    NAMED(mix_rows, TYPE)(
        4, scores + r * length, length, first + r + 4, values, d, y + r * ldy, ldy);
  }
  for (; r < rows; r++) {
    NAMED(mix_rows, TYPE)(
        1, scores + r * length, length, first + r + 1, values, d, y + r * ldy, ldy);
  }
}

#undef NAMED
#undef JOINED
#undef TYPE
#undef STORED
#undef LOAD
#undef VALUE

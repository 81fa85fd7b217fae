// Queries times keys, of either type that a cache stores.

INLINE float dot_f32(const float *query, const float *key, long n) {
  BLOOM_REORDER
  float sum = 0;
  for (long i = 0; i < n; i++) sum += query[i] * key[i];
  return sum;
}

// scores[j] = query . keys[j], eight keys at a time.
INLINE void score_f32(
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
  for (; j < length; j++) scores[j] = dot_f32(query, keys + j * d, d);
}

// scores[r, j] = queries[r] . keys[j].
static void score_rows_f32(
    const float *queries, long ldq, long rows, const float *keys, long length, long d,
    float *scores) {
  product_f32(keys, length, d, queries, ldq, rows, NULL, scores, length);
}

// Scores of R queries, lds apart, with P registers of keys from the start of a panel on. A lane is a key, so that
// nothing is left to be added up across lanes.
INLINE void score_panels(
    const int R, const int P, const float *queries, long ldq, const uint16_t *keys, long d,
    float *scores, long lds) {
  _Pragma("clang fp contract(fast)")
  wide sums[16];
  UNROLL for (int i = 0; i < R * P; i++) sums[i] = (wide){0};
  for (long c = 0; c < d; c++) {
    wide k[4];
    UNROLL for (int p = 0; p < P; p++) {
      const long key = p * WIDTH;
      const long panel = key / BLOOM_KEY_PANEL * BLOOM_KEY_PANEL;
      const uint16_t *row = keys + panel * d + c * BLOOM_KEY_PANEL + (key - panel);
      load_f16(&k[p], row);
      __builtin_prefetch((const char *)row + FETCH_AHEAD);
    }
    UNROLL for (int r = 0; r < R; r++) {
      const float q = queries[r * ldq + c];
      UNROLL for (int p = 0; p < P; p++) sums[r * P + p] += k[p] * q;
    }
  }
  UNROLL for (int r = 0; r < R; r++) {
    UNROLL for (int p = 0; p < P; p++) {
      memcpy(scores + r * lds + p * WIDTH, &sums[r * P + p], sizeof(wide));
    }
  }
}

// Registers of a panel, and keys that are worked on together: their sums do not wait for one another.
#define PANEL_PARTS (BLOOM_KEY_PANEL / WIDTH)
#define KEYS_OF_ONE (4 * WIDTH)
#define KEYS_OF_MANY (2 * WIDTH)
// Queries that read a register of keys together.
#define QUERIES (WIDTH == 16 ? 8 : 4)

// scores[j] = query . keys[j], to the end of the last panel: what is stored behind the last key is of no
// meaning, and so is its score.
INLINE void score_f16(
    const float *query, const uint16_t *keys, long length, long d, float *scores) {
  long j = 0;
  for (; j + KEYS_OF_ONE <= length; j += KEYS_OF_ONE) {
    score_panels(1, 4, query, 0, keys + j * d, d, scores + j, 0);
  }
  for (; j < length; j += BLOOM_KEY_PANEL) {
    score_panels(1, PANEL_PARTS, query, 0, keys + j * d, d, scores + j, 0);
  }
}

// scores[r, j] = queries[r] . keys[j].
static void score_rows_f16(
    const float *queries, long ldq, long rows, const uint16_t *keys, long length, long d,
    float *scores) {
  long j = 0;
  for (; j + KEYS_OF_MANY <= length; j += KEYS_OF_MANY) {
    long r = 0;
    for (; r + QUERIES <= rows; r += QUERIES) {
      score_panels(
          QUERIES, 2, queries + r * ldq, ldq, keys + j * d, d, scores + r * length + j, length);
    }
    for (; r < rows; r++) {
      score_panels(1, 2, queries + r * ldq, ldq, keys + j * d, d, scores + r * length + j, 0);
    }
  }
  for (; j < length; j += BLOOM_KEY_PANEL) {
    const long count = length - j < BLOOM_KEY_PANEL ? length - j : BLOOM_KEY_PANEL;
    for (long r = 0; r < rows; r++) {
      float panel[BLOOM_KEY_PANEL];
      score_panels(1, PANEL_PARTS, queries + r * ldq, 0, keys + j * d, d, panel, 0);
      memcpy(scores + r * length + j, panel, (size_t)count * sizeof(float));
    }
  }
}

#undef PANEL_PARTS
#undef KEYS_OF_ONE
#undef KEYS_OF_MANY
#undef QUERIES

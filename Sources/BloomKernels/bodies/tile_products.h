// Products by tile registers: bf16 and 8-bit weights as they lie in their file times vectors that are
// packed once for all rows.
//
// A tile takes 16 rows of weights, 64 bytes of each, and 16 vectors. Vectors are split into terms that
// the tiles multiply: three bf16 numbers hold the 24 bits of a float, two 8-bit integers nearly those of
// a 16-bit one. Rests of rows and of vectors are filled up with zeros.

// Weights in 64 bytes of a row.
#define TILE_BF16_SPAN 32
#define TILE_BF16_TERMS 3
// Bytes of one tile.
#define TILE_BYTES 1024

INLINE long tile_blocks(long vectors) { return (vectors + 15) / 16; }

static size_t tile_bytes(bloom_tiles kind, long vectors, long columns) {
  const long blocks = tile_blocks(vectors);
  if (kind == BLOOM_TILES_BF16) {
    return columns % TILE_BF16_SPAN != 0
               ? 0
               : (size_t)(blocks * (columns / TILE_BF16_SPAN) * TILE_BF16_TERMS * TILE_BYTES);
  }
  // Two tiles of integers and 16 steps for each group.
  return columns % GROUP != 0 ? 0
                              : (size_t)(blocks * (columns / GROUP) * (2 * TILE_BYTES + 64));
}

// [block of vectors][span of columns][term][pair of columns][vector][column of the pair].
static void tile_pack_bf16(const float *x, long ldx, long vectors, long columns, uint16_t *packed) {
  const long spans = columns / TILE_BF16_SPAN;
  for (long v = 0; v < tile_blocks(vectors) * 16; v++) {
    for (long s = 0; s < spans; s++) {
      uint16_t *target = packed + ((v / 16) * spans + s) * TILE_BF16_TERMS * (TILE_BYTES / 2);
      float rest[TILE_BF16_SPAN] = {0};
      if (v < vectors) memcpy(rest, x + v * ldx + s * TILE_BF16_SPAN, sizeof rest);
      for (int term = 0; term < TILE_BF16_TERMS; term++) {
        uint32_t halves[TILE_BF16_SPAN];
        for (int k = 0; k < TILE_BF16_SPAN; k++) {
          halves[k] = float_to_bf16(rest[k]);
          rest[k] -= bits_to_float(halves[k] << 16);
        }
        for (int pair = 0; pair < TILE_BF16_SPAN / 2; pair++) {
          const uint32_t two = halves[2 * pair] | halves[2 * pair + 1] << 16;
          memcpy(target + term * (TILE_BYTES / 2) + pair * 32 + (v % 16) * 2, &two, sizeof two);
        }
      }
    }
  }
}

// [block of vectors][group]: [upper, lower byte][four columns][vector][column], then 16 steps.
static void tile_pack_q8(const float *x, long ldx, long vectors, long columns, int8_t *packed) {
  const long groups = columns / GROUP;
  for (long v = 0; v < tile_blocks(vectors) * 16; v++) {
    for (long g = 0; g < groups; g++) {
      int8_t *target = packed + ((v / 16) * groups + g) * (2 * TILE_BYTES + 64);
      int32_t integers[GROUP] = {0};
      float step = 0;
      if (v < vectors) step = round_tile(x + v * ldx + g * GROUP, GROUP, integers);
      for (int k = 0; k < GROUP; k++) {
        const int8_t low = (int8_t)(integers[k] & 255);
        const int8_t high = (int8_t)((integers[k] - low) >> 8);
        const long at = (k / 4) * 64 + (v % 16) * 4 + k % 4;
        target[at] = high;
        target[TILE_BYTES + at] = low;
      }
      memcpy(target + 2 * TILE_BYTES + (v % 16) * 4, &step, sizeof step);
    }
  }
}

static void tile_pack(
    bloom_tiles kind, const float *x, long ldx, long vectors, long columns, void *packed) {
  if (kind == BLOOM_TILES_BF16) {
    tile_pack_bf16(x, ldx, vectors, columns, packed);
  } else {
    tile_pack_q8(x, ldx, vectors, columns, packed);
  }
}

// Up to 16 rows of 64 bytes as a whole tile of their own.
INLINE void tile_copy(int8_t copy[TILE_BYTES], const void *w, long stride, long rows) {
  memset(copy, 0, TILE_BYTES);
  for (long r = 0; r < rows; r++) memcpy(copy + r * 64, (const char *)w + r * stride, 64);
}

// y [vectors, rows] of a tile [16 rows, 16 vectors] of sums.
INLINE void tile_spread(
    const float sums[256], long rows, long vectors, const float *bias, float *y, long ldy) {
  float starts[16] = {0};
  if (bias != NULL) memcpy(starts, bias, (size_t)rows * sizeof *bias);
  for (long v = 0; v < vectors; v++) {
    float column[16];
#if defined(VARIANT_X86) && WIDTH == 16
    const __m512i every = _mm512_setr_epi32(
        0, 16, 32, 48, 64, 80, 96, 112, 128, 144, 160, 176, 192, 208, 224, 240);
    const __m512 gathered = _mm512_i32gather_ps(every, sums + v, 4);
    _mm512_storeu_ps(column, _mm512_add_ps(gathered, _mm512_loadu_ps(starts)));
#else
    for (long r = 0; r < 16; r++) column[r] = sums[r * 16 + v] + starts[r];
#endif
    memcpy(y + v * ldy, column, (size_t)rows * sizeof *column);
  }
}

// All rows times all vectors, 32 of each at a time: four tiles of sums.
static void tile_rows_bf16(
    const uint16_t *w, long rows, long columns, const uint16_t *packed, long vectors,
    const float *bias, float *y, long ldy) {
  TILES_BEGIN();
  const long spans = columns / TILE_BF16_SPAN;
  const long block = spans * TILE_BF16_TERMS * (TILE_BYTES / 2);
  float sums[256] __attribute__((aligned(64)));
  int8_t copy[TILE_BYTES] __attribute__((aligned(64)));
  for (long r = 0; r < rows; r += 32) {
    const uint16_t *above = w + r * columns;
    const uint16_t *below = above + 16 * columns;
    const long height = rows - r < 32 ? rows - r : 32;
    for (long v = 0; v < vectors; v += 32) {
      const uint16_t *left = packed + (v / 16) * block;
      const uint16_t *right = v + 16 < vectors ? left + block : left;
      TILE_ZERO(0);
      TILE_ZERO(1);
      TILE_ZERO(2);
      TILE_ZERO(3);
      for (long s = 0; s < spans; s++) {
        if (v == 0) {
          for (long i = 0; i < 32; i++) {
            __builtin_prefetch((const char *)(above + 32 * columns) + (s * 32 + i) * 64, 0, 2);
          }
        }
        if (height >= 16) {
          TILE_LOAD(4, above + s * TILE_BF16_SPAN, 2 * columns);
        } else {
          tile_copy(copy, above + s * TILE_BF16_SPAN, 2 * columns, height);
          TILE_LOAD(4, copy, 64);
        }
        if (height == 32) {
          TILE_LOAD(5, below + s * TILE_BF16_SPAN, 2 * columns);
        } else if (height > 16) {
          tile_copy(copy, below + s * TILE_BF16_SPAN, 2 * columns, height - 16);
          TILE_LOAD(5, copy, 64);
        } else {
          TILE_ZERO(5);
        }
        // The smallest terms first.
        for (long term = TILE_BF16_TERMS - 1; term >= 0; term--) {
          const long at = (s * TILE_BF16_TERMS + term) * (TILE_BYTES / 2);
          TILE_LOAD(6, left + at, 64);
          TILE_MULTIPLY_BF16(0, 4, 6);
          TILE_MULTIPLY_BF16(1, 5, 6);
          if (v + 16 < vectors) {
            TILE_LOAD(7, right + at, 64);
            TILE_MULTIPLY_BF16(2, 4, 7);
            TILE_MULTIPLY_BF16(3, 5, 7);
          }
        }
      }
#define SPREAD(T, ROW, VECTOR)                                                                 \
  if (height > ROW && vectors > v + VECTOR) {                                                  \
    TILE_STORE(T, sums);                                                                       \
    tile_spread(                                                                               \
        sums, height - ROW < 16 ? height - ROW : 16,                                           \
        vectors - v - VECTOR < 16 ? vectors - v - VECTOR : 16,                                 \
        bias != NULL ? bias + r + ROW : NULL, y + (v + VECTOR) * ldy + r + ROW, ldy);          \
  }
      SPREAD(0, 0, 0)
      SPREAD(1, 16, 0)
      SPREAD(2, 0, 16)
      SPREAD(3, 16, 16)
#undef SPREAD
    }
  }
  TILES_END();
}

// As above, for 8-bit weights: sixteen rows and vectors, a group at a time, for its scales.
static void tile_rows_q8(
    const int8_t *w, const float *scales, long rows, long columns, const int8_t *packed,
    long vectors, const float *bias, float *y, long ldy) {
  TILES_BEGIN();
  const long groups = columns / GROUP;
  int32_t high[256] __attribute__((aligned(64)));
  int32_t low[256] __attribute__((aligned(64)));
  int8_t copy[TILE_BYTES] __attribute__((aligned(64)));
  for (long r = 0; r < rows; r += 16) {
    const int8_t *weights = w + r * columns;
    const long height = rows - r < 16 ? rows - r : 16;
    for (long v = 0; v < vectors; v += 16) {
      float sums[256] __attribute__((aligned(64))) = {0};
      for (long g = 0; g < groups; g++) {
        const int8_t *in = packed + ((v / 16) * groups + g) * (2 * TILE_BYTES + 64);
        if (v == 0) {
          for (long i = 0; i < 16; i++) {
            __builtin_prefetch(weights + (16 + i) * columns + g * GROUP, 0, 2);
          }
        }
        if (height == 16) {
          TILE_LOAD(4, weights + g * GROUP, columns);
        } else {
          tile_copy(copy, weights + g * GROUP, columns, height);
          TILE_LOAD(4, copy, 64);
        }
        TILE_LOAD(6, in, 64);
        TILE_LOAD(7, in + TILE_BYTES, 64);
        TILE_ZERO(0);
        TILE_ZERO(1);
        TILE_MULTIPLY_INT8(0, 4, 6);
        TILE_MULTIPLY_INT8(1, 4, 7);
        TILE_STORE(0, high);
        TILE_STORE(1, low);
        float steps[16];
        memcpy(steps, in + 2 * TILE_BYTES, sizeof steps);
        for (long i = 0; i < height; i++) {
          const float scale = scales[(r + i) * groups + g];
          for (long t = 0; t < 16; t++) {
            const float products = (float)(high[i * 16 + t] * 256 + low[i * 16 + t]);
            sums[i * 16 + t] += products * (steps[t] * scale);
          }
        }
      }
      tile_spread(
          sums, height, vectors - v < 16 ? vectors - v : 16, bias != NULL ? bias + r : NULL,
          y + v * ldy + r, ldy);
    }
  }
  TILES_END();
}

static void tile_product(
    bloom_tiles kind, const void *w, const float *scales, long rows, long columns,
    const void *packed, long vectors, const float *bias, float *y, long ldy) {
  if (kind == BLOOM_TILES_BF16) {
    tile_rows_bf16(w, rows, columns, packed, vectors, bias, y, ldy);
  } else {
    tile_rows_q8(w, scales, rows, columns, packed, vectors, bias, y, ldy);
  }
}

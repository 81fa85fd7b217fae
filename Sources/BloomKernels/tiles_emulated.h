// The tile layer of tiles_amx.h in portable C, for tests on processors without such registers: packing,
// edges and sums are then those of the real one.
#ifndef BLOOM_TILES_EMULATED_H
#define BLOOM_TILES_EMULATED_H

typedef union tile {
  uint8_t bytes[16][64];
  uint16_t halves[16][32];
  int8_t integers[16][64];
  float floats[16][16];
  int32_t sums[16][16];
} tile;

static void tile_load(tile *t, const void *p, long stride) {
  for (int row = 0; row < 16; row++) memcpy(t->bytes[row], (const char *)p + row * stride, 64);
}

static void tile_multiply_bf16(tile *c, const tile *a, const tile *b) {
  for (int row = 0; row < 16; row++) {
    for (int k = 0; k < 32; k++) {
      const float factor = bf16_to_float(a->halves[row][k]);
      for (int column = 0; column < 16; column++) {
        c->floats[row][column] += factor * bf16_to_float(b->halves[k / 2][2 * column + k % 2]);
      }
    }
  }
}

static void tile_multiply_int8(tile *c, const tile *a, const tile *b) {
  for (int row = 0; row < 16; row++) {
    for (int k = 0; k < 64; k++) {
      const int32_t factor = a->integers[row][k];
      for (int column = 0; column < 16; column++) {
        c->sums[row][column] += factor * b->integers[k / 4][4 * column + k % 4];
      }
    }
  }
}

#define TILES_BEGIN() tile tiles[8]
#define TILES_END()
#define TILE_ZERO(T) memset(&tiles[T], 0, sizeof tiles[T])
#define TILE_LOAD(T, P, STRIDE) tile_load(&tiles[T], P, STRIDE)
#define TILE_STORE(T, P) memcpy(P, &tiles[T], sizeof tiles[T])
#define TILE_MULTIPLY_BF16(C, A, B) tile_multiply_bf16(&tiles[C], &tiles[A], &tiles[B])
#define TILE_MULTIPLY_INT8(C, A, B) tile_multiply_int8(&tiles[C], &tiles[A], &tiles[B])

#endif

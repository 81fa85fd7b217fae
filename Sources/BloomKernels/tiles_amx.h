// The tile registers of AMX: eight of 16 rows of 64 bytes. The layer is all that tile_products.h uses of
// them; tiles_emulated.h is the same in portable C.
//
// Numbers of tiles are part of the instructions, so that these are macros.
#ifndef BLOOM_TILES_AMX_H
#define BLOOM_TILES_AMX_H

// Every tile with all its rows and bytes. A thread that leaves its tiles unused again spares the system
// saving them.
static const struct {
  uint8_t palette, start, reserved[14];
  uint16_t bytes[16];
  uint8_t rows[16];
} tile_shapes = {1, 0, {0}, {64, 64, 64, 64, 64, 64, 64, 64}, {16, 16, 16, 16, 16, 16, 16, 16}};

#define TILES_BEGIN() _tile_loadconfig(&tile_shapes)
#define TILES_END() _tile_release()
#define TILE_ZERO(T) _tile_zero(T)
#define TILE_LOAD(T, P, STRIDE) _tile_loadd(T, P, STRIDE)
#define TILE_STORE(T, P) _tile_stored(T, P, 64)
// C [16, 16] += A [16, 32] B [16 pairs, 16, 2], in bf16 and f32.
#define TILE_MULTIPLY_BF16(C, A, B) _tile_dpbf16ps(C, A, B)
// C [16, 16] += A [16, 64] B [16 fours, 16, 4], in 8 and 32 bits.
#define TILE_MULTIPLY_INT8(C, A, B) _tile_dpbssd(C, A, B)

#endif

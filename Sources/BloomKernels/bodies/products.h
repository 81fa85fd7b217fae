// Stored weights times a few vectors. Decoding reads every weight once per token, so the bytes of
// the weights are its limit: they are converted in registers, never in memory.

// Sums that are kept side by side, most of the registers, and the rows of a panel.
#if WIDTH == 16
#define MOST_SUMS 24
#define PANEL_ROWS 6
#else
#define MOST_SUMS 16
#define PANEL_ROWS 3
#endif
// Columns of a panel, and where its next row starts: a few cache lines on, so that equal columns of its
// rows do not want the same place in the cache.
#define PANEL_COLUMNS 1024
#define PANEL_STRIDE (PANEL_COLUMNS + 32)
// From so many vectors on, converting a panel once costs less than converting in registers each time.
#define PANEL_VECTORS 48

// R rows of a panel times V vectors; `adding` to y, or from the bias.
INLINE void panel_tile(
    const int R, const int V, const float *panel, long span, const float *x, long ldx,
    const float *bias, int adding, float *y, long ldy) {
  _Pragma("clang fp contract(fast)")
  wide sums[MOST_SUMS];
  UNROLL for (int i = 0; i < MOST_SUMS; i++) sums[i] = (wide){0};
  long k = 0;
  for (; k + WIDTH <= span; k += WIDTH) {
    wide weights[PANEL_ROWS];
    UNROLL for (int r = 0; r < R; r++) load_f32(&weights[r], panel + r * PANEL_STRIDE + k);
    UNROLL for (int v = 0; v < V; v++) {
      wide activations;
      load_f32(&activations, x + v * ldx + k);
      UNROLL for (int r = 0; r < R; r++) sums[r * V + v] += weights[r] * activations;
    }
  }
  float totals[MOST_SUMS];
  UNROLL for (int i = 0; i < R * V; i += 8) wide_sums(totals + i, sums + i);
  for (; k < span; k++) {
    UNROLL for (int r = 0; r < R; r++) {
      UNROLL for (int v = 0; v < V; v++) {
        totals[r * V + v] += panel[r * PANEL_STRIDE + k] * x[v * ldx + k];
      }
    }
  }
  UNROLL for (int v = 0; v < V; v++) {
    UNROLL for (int r = 0; r < R; r++) {
      const float start = adding ? y[v * ldy + r] : bias != NULL ? bias[r] : 0;
      y[v * ldy + r] = totals[r * V + v] + start;
    }
  }
}

// The `count` rows of a panel times all vectors.
static void panel_times(
    const float *panel, long count, long span, const float *x, long ldx, long vectors,
    const float *bias, int adding, float *y, long ldy) {
  long v = 0;
  if (count == PANEL_ROWS) {
    for (; v + 4 <= vectors; v += 4) {
      panel_tile(PANEL_ROWS, 4, panel, span, x + v * ldx, ldx, bias, adding, y + v * ldy, ldy);
    }
    for (; v < vectors; v++) {
      panel_tile(PANEL_ROWS, 1, panel, span, x + v * ldx, ldx, bias, adding, y + v * ldy, ldy);
    }
    return;
  }
  for (long r = 0; r < count; r++) {
    for (v = 0; v < vectors; v++) {
      panel_tile(
          1, 1, panel + r * PANEL_STRIDE, span, x + v * ldx, ldx, bias != NULL ? bias + r : NULL,
          adding, y + v * ldy + r, ldy);
    }
  }
}

#define TYPE f32
#define STORED float
#define LOAD load_f32
#define VALUE(x) (x)
#include "product.h"

#define TYPE f16
#define STORED uint16_t
#define LOAD load_f16
#define VALUE f16_to_float
#include "product.h"

#define TYPE bf16
#define STORED uint16_t
#define LOAD load_bf16
#define VALUE bf16_to_float
#include "product.h"

static void matrix_vectors(
    bloom_element element, const void *w, long rows, long columns, const float *x, long ldx,
    long vectors, const float *bias, float *y, long ldy) {
  switch (element) {
    case BLOOM_F32:
      product_f32(w, rows, columns, x, ldx, vectors, bias, y, ldy);
      break;
    case BLOOM_F16:
      product_f16(w, rows, columns, x, ldx, vectors, bias, y, ldy);
      break;
    case BLOOM_BF16:
      product_bf16(w, rows, columns, x, ldx, vectors, bias, y, ldy);
      break;
  }
}

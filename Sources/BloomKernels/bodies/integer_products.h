// The products of one way of multiplying pairs, included by integers.h with KIND (a suffix) and
// MULTIPLY_PAIRS(sum, a, b): adds to each 32-bit sum the products of two 16-bit neighbours.

#define JOINED(A, B) A##_##B
#define NAMED(A, B) JOINED(A, B)

#include "integer_rows.h"
#if defined(VARIANT_X86)
#include "integer_panels.h"
#endif

static void NAMED(q8_product, KIND)(
    const int8_t *w, const float *scales, long rows, long columns, const int16_t *x,
    const float *steps, long vectors, const float *bias, float *y, long ldy) {
  long done = 0;
#if defined(VARIANT_X86)
  if (vectors >= Q8_PANEL_FROM && columns % GROUP == 0) {
    done = NAMED(q8_panels, KIND)(w, scales, rows, columns, x, steps, vectors, bias, y, ldy);
  }
#endif
  NAMED(q8_runs, KIND)(
      w + done * columns, scales + done * groups_of(columns), rows - done, columns, x, steps,
      vectors, bias != NULL ? bias + done : NULL, y + done, ldy);
}

#include "nibble_products.h"

#undef NAMED
#undef JOINED
#undef KIND
#undef MULTIPLY_PAIRS

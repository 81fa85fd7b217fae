// 4-bit weights times vectors, included by integer_products.h with KIND and MULTIPLY_PAIRS.
//
// As for 8-bit weights: with few vectors each row is a run of memory of its own; with many, panels of rows are
// turned so that a lane holds a row, and multiplied by the kernel of 8-bit panels.

// Most products of R rows and V vectors.
#define Q4_SUMS 8

// R rows, `step` rows apart, times V vectors. A group is one load, shifts, a few products of pairs, and one
// addition: its scale and the vectors' step were multiplied WIDTH groups at a time.
INLINE void NAMED(q4_rows, KIND)(
    const int R, const int V, const uint8_t *w, const uint16_t *scales, long step, long columns,
    const int16_t *x, const float *steps, const float *bias, float *y, long ldy) {
  _Pragma("clang fp contract(fast)")
  const long groups = groups_of(columns);
  const long whole = columns / GROUP;
  const long apart = step * groups * Q4_BYTES;
  wide sums[Q4_SUMS];
  UNROLL for (int i = 0; i < Q4_SUMS; i++) sums[i] = (wide){0};
  for (long first = 0; first < whole; first += WIDTH) {
    const long count = whole - first < WIDTH ? whole - first : WIDTH;
    float factors[Q4_SUMS][WIDTH];
    UNROLL for (int r = 0; r < R; r++) {
      UNROLL for (int v = 0; v < V; v++) {
        q4_factors(
            factors[r * V + v], scales + r * step * groups + first, steps + v * groups + first,
            count);
      }
    }
    for (long g = 0; g < count; g++) {
      UNROLL for (int r = 0; r < R; r++) {
        const uint8_t *p = w + r * apart + (first + g) * Q4_BYTES;
        __builtin_prefetch(p + 256);
        q8_words weights[GROUP_PARTS];
        q4_load(weights, p);
        UNROLL for (int v = 0; v < V; v++) {
          const int16_t *in = x + v * columns + (first + g) * GROUP;
          wide_integers sum = {0};
          UNROLL for (int i = 0; i < GROUP_PARTS; i++) {
            q8_words two;
            memcpy(&two, in + 2 * WIDTH * i, sizeof two);
            MULTIPLY_PAIRS(sum, weights[i], two);
          }
          const wide factor = (wide){0} + factors[r * V + v][g];
          sums[r * V + v] += __builtin_convertvector(sum, wide) * factor;
        }
      }
    }
  }
  float totals[8];
  wide_sums(totals, sums);
  for (int r = 0; r < R; r++) {
    const float start = bias != NULL ? bias[r * step] : 0;
    for (int v = 0; v < V; v++) {
      float total = totals[r * V + v] + start;
      if (whole < groups) {
        int32_t rest = 0;
        for (long c = whole * GROUP; c < columns; c++) {
          rest += q4_value(w + r * apart + whole * Q4_BYTES, c % GROUP) * x[v * columns + c];
        }
        const float scale = bf16_to_float(scales[r * step * groups + whole]);
        total += (float)rest * (scale * steps[v * groups + whole]);
      }
      y[v * ldy + r * step] = total;
    }
  }
}

// One row, or two, times up to four vectors.
INLINE void NAMED(q4_few, KIND)(
    const int R, const uint8_t *w, const uint16_t *scales, long step, long columns,
    const int16_t *x, const float *steps, long vectors, const float *bias, float *y, long ldy) {
  switch (vectors) {
    case 1: NAMED(q4_rows, KIND)(R, 1, w, scales, step, columns, x, steps, bias, y, ldy); break;
    case 2: NAMED(q4_rows, KIND)(R, 2, w, scales, step, columns, x, steps, bias, y, ldy); break;
    case 3: NAMED(q4_rows, KIND)(R, 3, w, scales, step, columns, x, steps, bias, y, ldy); break;
    default: NAMED(q4_rows, KIND)(R, 4, w, scales, step, columns, x, steps, bias, y, ldy); break;
  }
}

// One vector: four rows far apart.
static void NAMED(q4_vector, KIND)(
    const uint8_t *w, const uint16_t *scales, long rows, long columns, const int16_t *x,
    const float *steps, const float *bias, float *y) {
  const long groups = groups_of(columns);
  const long apart = rows / 4;
  for (long r = 0; r < apart; r++) {
    NAMED(q4_rows, KIND)(
        4, 1, w + r * groups * Q4_BYTES, scales + r * groups, apart, columns, x, steps,
        bias != NULL ? bias + r : NULL, y + r, 0);
  }
  for (long r = 4 * apart; r < rows; r++) {
    NAMED(q4_rows, KIND)(
        1, 1, w + r * groups * Q4_BYTES, scales + r * groups, 0, columns, x, steps,
        bias != NULL ? bias + r : NULL, y + r, 0);
  }
}

// A few vectors: two rows far apart times four of them, four rows of each run for the same vectors.
static void NAMED(q4_runs, KIND)(
    const uint8_t *w, const uint16_t *scales, long rows, long columns, const int16_t *x,
    const float *steps, long vectors, const float *bias, float *y, long ldy) {
  const long groups = groups_of(columns);
  const long apart = rows / 2;
  for (long first = 0; first < rows;) {
    const long limit = first < apart ? apart : rows;
    const long end = first + 4 < limit ? first + 4 : limit;
    for (long v = 0; v < vectors; v += 4) {
      for (long r = first; r < end; r++) {
        const uint8_t *weights = w + r * groups * Q4_BYTES;
        const uint16_t *own = scales + r * groups;
        const float *start = bias != NULL ? bias + r : NULL;
        const int16_t *in = x + v * columns;
        const float *step = steps + v * groups;
        float *out = y + v * ldy + r;
        if (limit == rows) {
          NAMED(q4_few, KIND)(1, weights, own, 0, columns, in, step, vectors - v, start, out, ldy);
        } else {
          NAMED(q4_few, KIND)(2, weights, own, apart, columns, in, step, vectors - v, start, out, ldy);
        }
      }
    }
    first = end == apart ? 2 * apart : end;
  }
}

#if defined(VARIANT_X86)
// J * WIDTH rows, all columns, all vectors.
INLINE void NAMED(q4_panel, KIND)(
    const int J, const uint8_t *w, const uint16_t *scales, long columns, const int16_t *x,
    const float *steps, long vectors, const float *bias, float *y, long ldy) {
  wide_integers panel[2 * Q8_PANEL_GROUPS * (GROUP / 2)];
  wide own[2 * Q8_PANEL_GROUPS];
  const long groups = columns / GROUP;
  const long stride = groups * Q4_BYTES;
  for (long first = 0; first < groups; first += Q8_PANEL_GROUPS) {
    const long count = groups - first < Q8_PANEL_GROUPS ? groups - first : Q8_PANEL_GROUPS;
    for (long g = 0; g < count; g++) {
      for (int j = 0; j < J; j++) {
        q4_turn(
            w + j * WIDTH * stride + (first + g) * Q4_BYTES, stride, J * WIDTH * stride,
            panel + g * (GROUP / 2) * J + j, J);
        for (int r = 0; r < WIDTH; r++) {
          own[g * J + j][r] = bf16_to_float(scales[(j * WIDTH + r) * groups + first + g]);
        }
      }
    }
    const int16_t *in = x + first * GROUP;
    const float *step = steps + first;
    for (long v = 0; v < vectors;) {
      const long left = vectors - v;
      const long taken = left >= Q8_VECTORS ? Q8_VECTORS : left >= Q8_VECTORS / 2 ? Q8_VECTORS / 2 : 1;
#define TILE(V)                                                                                   \
  NAMED(q8_tile, KIND)(                                                                           \
      J, V, panel, own, count, in + v * columns, columns, step + v * groups, groups, bias,        \
      first > 0, y + v * ldy, ldy)
      if (taken == Q8_VECTORS) {
        TILE(Q8_VECTORS);
      } else if (taken == Q8_VECTORS / 2) {
        TILE(Q8_VECTORS / 2);
      } else {
        TILE(1);
      }
#undef TILE
      v += taken;
    }
  }
}

// As many whole registers of rows as there are; returns how many rows those were.
static long NAMED(q4_panels, KIND)(
    const uint8_t *w, const uint16_t *scales, long rows, long columns, const int16_t *x,
    const float *steps, long vectors, const float *bias, float *y, long ldy) {
  const long groups = columns / GROUP;
  long r = 0;
  for (; r + 2 * WIDTH <= rows; r += 2 * WIDTH) {
    NAMED(q4_panel, KIND)(
        2, w + r * groups * Q4_BYTES, scales + r * groups, columns, x, steps, vectors,
        bias != NULL ? bias + r : NULL, y + r, ldy);
  }
  for (; r + WIDTH <= rows; r += WIDTH) {
    NAMED(q4_panel, KIND)(
        1, w + r * groups * Q4_BYTES, scales + r * groups, columns, x, steps, vectors,
        bias != NULL ? bias + r : NULL, y + r, ldy);
  }
  return r;
}
#endif

static void NAMED(q4_product, KIND)(
    const uint8_t *w, const uint16_t *scales, long rows, long columns, const int16_t *x,
    const float *steps, long vectors, const float *bias, float *y, long ldy) {
  if (vectors == 1) {
    NAMED(q4_vector, KIND)(w, scales, rows, columns, x, steps, bias, y);
    return;
  }
  long done = 0;
#if defined(VARIANT_X86)
  if (vectors >= Q8_PANEL_FROM && columns % GROUP == 0) {
    done = NAMED(q4_panels, KIND)(w, scales, rows, columns, x, steps, vectors, bias, y, ldy);
  }
#endif
  NAMED(q4_runs, KIND)(
      w + done * q4_row(columns), scales + done * groups_of(columns), rows - done, columns, x,
      steps, vectors, bias != NULL ? bias + done : NULL, y + done, ldy);
}

#undef Q4_SUMS

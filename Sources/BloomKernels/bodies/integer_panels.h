// 8-bit weights times several vectors, included by integers.h with KIND (a suffix) and MULTIPLY_PAIRS.
//
// A panel of rows is turned so that a register holds one row in each lane: a group's products then add
// up within their lanes, and a scale is applied once for 64 of them. Weights widen to 16 bits on the
// way, two neighbours of a row to a lane, which is how processors multiply such numbers. The panel stays
// in a near cache while the vectors go by.

// y[v, r] of J registers of rows and V vectors, for the groups of one panel.
INLINE void NAMED(q8_tile, KIND)(
    const int J, const int V, const wide_integers *panel, const wide *own, long groups,
    const int16_t *x, long columns, const float *steps, long stepsApart, const float *bias,
    int adding, float *y, long ldy) {
  _Pragma("clang fp contract(fast)")
  wide sums[2 * Q8_VECTORS];
  UNROLL for (int i = 0; i < J * V; i++) sums[i] = (wide){0};
  for (long g = 0; g < groups; g++) {
    wide_integers totals[2 * Q8_VECTORS];
    UNROLL for (int i = 0; i < J * V; i++) totals[i] = (wide_integers){0};
    const wide_integers *weights = panel + g * (GROUP / 2) * J;
    const int16_t *in = x + g * GROUP;
    for (int pair = 0; pair < GROUP / 2; pair++) {
      wide_integers pairs[2];
      UNROLL for (int j = 0; j < J; j++) pairs[j] = weights[pair * J + j];
      UNROLL for (int v = 0; v < V; v++) {
        int32_t two;
        memcpy(&two, in + v * columns + 2 * pair, sizeof two);
        const wide_integers both = (wide_integers){0} + two;
        UNROLL for (int j = 0; j < J; j++) MULTIPLY_PAIRS(totals[v * J + j], pairs[j], both);
      }
    }
    UNROLL for (int v = 0; v < V; v++) {
      const float step = steps[v * stepsApart + g];
      UNROLL for (int j = 0; j < J; j++) {
        const wide products = __builtin_convertvector(totals[v * J + j], wide);
        sums[v * J + j] += products * (own[g * J + j] * step);
      }
    }
  }
  UNROLL for (int v = 0; v < V; v++) {
    UNROLL for (int j = 0; j < J; j++) {
      float *target = y + v * ldy + j * WIDTH;
      wide start = {0};
      if (adding) load_f32(&start, target);
      if (!adding && bias != NULL) load_f32(&start, bias + j * WIDTH);
      const wide result = sums[v * J + j] + start;
      memcpy(target, &result, sizeof result);
    }
  }
}

// J * WIDTH rows, all columns, all vectors.
INLINE void NAMED(q8_panel, KIND)(
    const int J, const int8_t *w, const float *scales, long columns, const int16_t *x,
    const float *steps, long vectors, const float *bias, float *y, long ldy) {
  wide_integers panel[2 * Q8_PANEL_GROUPS * (GROUP / 2)];
  wide own[2 * Q8_PANEL_GROUPS];
  const long groups = columns / GROUP;
  for (long first = 0; first < groups; first += Q8_PANEL_GROUPS) {
    const long count = groups - first < Q8_PANEL_GROUPS ? groups - first : Q8_PANEL_GROUPS;
    for (long g = 0; g < count; g++) {
      for (int j = 0; j < J; j++) {
        q8_turn(
            w + j * WIDTH * columns + (first + g) * GROUP, columns, J * WIDTH * columns,
            panel + g * (GROUP / 2) * J + j, J);
        for (int r = 0; r < WIDTH; r++) {
          own[g * J + j][r] = scales[(j * WIDTH + r) * groups + first + g];
        }
      }
    }
    const int16_t *in = x + first * GROUP;
    const float *step = steps + first;
    long v = 0;
    for (; v + Q8_VECTORS <= vectors; v += Q8_VECTORS) {
      NAMED(q8_tile, KIND)(
          J, Q8_VECTORS, panel, own, count, in + v * columns, columns, step + v * groups, groups,
          bias, first > 0, y + v * ldy, ldy);
    }
    for (; v + Q8_VECTORS / 2 <= vectors; v += Q8_VECTORS / 2) {
      NAMED(q8_tile, KIND)(
          J, Q8_VECTORS / 2, panel, own, count, in + v * columns, columns, step + v * groups,
          groups, bias, first > 0, y + v * ldy, ldy);
    }
    for (; v < vectors; v++) {
      NAMED(q8_tile, KIND)(
          J, 1, panel, own, count, in + v * columns, columns, step + v * groups, groups, bias,
          first > 0, y + v * ldy, ldy);
    }
  }
}

// As many whole registers of rows as there are; returns how many rows those were.
static long NAMED(q8_panels, KIND)(
    const int8_t *w, const float *scales, long rows, long columns, const int16_t *x,
    const float *steps, long vectors, const float *bias, float *y, long ldy) {
  const long groups = columns / GROUP;
  long r = 0;
  for (; r + 2 * WIDTH <= rows; r += 2 * WIDTH) {
    NAMED(q8_panel, KIND)(
        2, w + r * columns, scales + r * groups, columns, x, steps, vectors,
        bias != NULL ? bias + r : NULL, y + r, ldy);
  }
  for (; r + WIDTH <= rows; r += WIDTH) {
    NAMED(q8_panel, KIND)(
        1, w + r * columns, scales + r * groups, columns, x, steps, vectors,
        bias != NULL ? bias + r : NULL, y + r, ldy);
  }
  return r;
}

// 8-bit weights times a few vectors, included by integers.h with KIND (a suffix) and MULTIPLY_PAIRS: each
// row is a run of memory, as in product.h.

// R rows, `step` rows apart, times V vectors.
INLINE void NAMED(q8_rows, KIND)(
    const int R, const int V, const int8_t *w, const float *scales, long step, long columns,
    const int16_t *x, const float *steps, const float *bias, float *y, long ldy) {
  _Pragma("clang fp contract(fast)")
  const long groups = groups_of(columns);
  const long whole = columns / GROUP;
  wide sums[8];
  UNROLL for (int i = 0; i < 8; i++) sums[i] = (wide){0};
  for (long g = 0; g < whole; g++) {
    UNROLL for (int r = 0; r < R; r++) {
      const int8_t *p = w + r * step * columns + g * GROUP;
      __builtin_prefetch(p + FETCH_AHEAD);
      q8_words weights[GROUP_PARTS];
      UNROLL for (int i = 0; i < GROUP_PARTS; i++) q8_load(&weights[i], p + 2 * WIDTH * i);
      const wide scale = (wide){0} + scales[r * step * groups + g];
      UNROLL for (int v = 0; v < V; v++) {
        wide_integers sum = {0};
        UNROLL for (int i = 0; i < GROUP_PARTS; i++) {
          q8_words factors;
          memcpy(&factors, x + v * columns + g * GROUP + 2 * WIDTH * i, sizeof factors);
          MULTIPLY_PAIRS(sum, weights[i], factors);
        }
        const wide product = __builtin_convertvector(sum, wide);
        sums[r * V + v] += product * steps[v * groups + g] * scale;
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
          rest += w[r * step * columns + c] * x[v * columns + c];
        }
        total += (float)rest * (scales[r * step * groups + whole] * steps[v * groups + whole]);
      }
      y[v * ldy + r * step] = total;
    }
  }
}

INLINE void NAMED(q8_few, KIND)(
    const int R, const int8_t *w, const float *scales, long step, long columns, const int16_t *x,
    const float *steps, long vectors, const float *bias, float *y, long ldy) {
  switch (vectors) {
    case 1: NAMED(q8_rows, KIND)(R, 1, w, scales, step, columns, x, steps, bias, y, ldy); break;
    case 2: NAMED(q8_rows, KIND)(R, 2, w, scales, step, columns, x, steps, bias, y, ldy); break;
    case 3: NAMED(q8_rows, KIND)(R, 3, w, scales, step, columns, x, steps, bias, y, ldy); break;
    default: NAMED(q8_rows, KIND)(R, 4, w, scales, step, columns, x, steps, bias, y, ldy); break;
  }
}

// Rows far apart, as in product.h: four of them for one vector, two for more.
static void NAMED(q8_runs, KIND)(
    const int8_t *w, const float *scales, long rows, long columns, const int16_t *x,
    const float *steps, long vectors, const float *bias, float *y, long ldy) {
  const long groups = groups_of(columns);
  const long together = vectors == 1 ? 4 : 2;
  const long apart = rows / together;
  for (long first = 0; first < rows;) {
    const long limit = first < together * apart ? apart : rows;
    const long end = first + 4 < limit ? first + 4 : limit;
    for (long v = 0; v < vectors; v += 4) {
      for (long r = first; r < end; r++) {
        const int8_t *weights = w + r * columns;
        const float *own = scales + r * groups;
        const float *start = bias != NULL ? bias + r : NULL;
        const int16_t *in = x + v * columns;
        const float *step = steps + v * groups;
        float *out = y + v * ldy + r;
        if (limit == rows) {
          NAMED(q8_few, KIND)(1, weights, own, 0, columns, in, step, vectors - v, start, out, ldy);
        } else if (vectors == 1) {
          NAMED(q8_rows, KIND)(4, 1, weights, own, apart, columns, in, step, start, out, ldy);
        } else {
          NAMED(q8_few, KIND)(2, weights, own, apart, columns, in, step, vectors - v, start, out, ldy);
        }
      }
    }
    first = end == apart ? together * apart : end;
  }
}


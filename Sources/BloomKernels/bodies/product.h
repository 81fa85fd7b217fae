// The product of one stored type, included by products.h with TYPE, STORED, LOAD and VALUE.
//
// With few vectors, rows that are worked on together lie far apart. Each is then a run of memory of its
// own that the processor fetches ahead: four such runs reach a quarter more of the memory's speed than
// one, or than rows side by side, which share pages and confuse the fetching.

#define JOINED(A, B) A##_##B
#define NAMED(A, B) JOINED(A, B)
// Stored elements in a cache line.
#define LINE (64 / (long)sizeof(STORED))

// Sums of R rows, `apart` elements from each other, times V vectors. P sums run side by side for
// each, so that no addition waits for the one before. `ahead` bytes are asked for in advance.
INLINE void NAMED(block, TYPE)(
    const int R, const int V, const int P, const STORED *w, long apart, long columns,
    const float *x, long ldx, long ahead, float *totals) {
  _Pragma("clang fp contract(fast)")
  wide sums[MOST_SUMS][2];
  UNROLL for (int i = 0; i < MOST_SUMS; i++) sums[i][0] = sums[i][1] = (wide){0};
  long c = 0;
  for (; c + LINE <= columns; c += LINE) {
    if (ahead > 0) {
      UNROLL for (int r = 0; r < R; r++) __builtin_prefetch((const char *)(w + r * apart + c) + ahead);
    }
    UNROLL for (int part = 0; part < LINE / WIDTH; part++) {
      const long at = c + part * WIDTH;
      wide weights[8];
      UNROLL for (int r = 0; r < R; r++) LOAD(&weights[r], w + r * apart + at);
      UNROLL for (int v = 0; v < V; v++) {
        wide activations;
        load_f32(&activations, x + v * ldx + at);
        UNROLL for (int r = 0; r < R; r++) {
          sums[r * V + v][part % P] += weights[r] * activations;
        }
      }
    }
  }
  for (; c + WIDTH <= columns; c += WIDTH) {
    UNROLL for (int r = 0; r < R; r++) {
      wide weights;
      LOAD(&weights, w + r * apart + c);
      UNROLL for (int v = 0; v < V; v++) {
        wide activations;
        load_f32(&activations, x + v * ldx + c);
        sums[r * V + v][0] += weights * activations;
      }
    }
  }
  wide joined[MOST_SUMS];
  UNROLL for (int i = 0; i < MOST_SUMS; i++) {
    joined[i] = P == 2 ? sums[i][0] + sums[i][1] : sums[i][0];
  }
  UNROLL for (int i = 0; i < R * V; i += 8) wide_sums(totals + i, joined + i);
  for (; c < columns; c++) {
    UNROLL for (int r = 0; r < R; r++) {
      const float weight = VALUE(w[r * apart + c]);
      UNROLL for (int v = 0; v < V; v++) totals[r * V + v] += weight * x[v * ldx + c];
    }
  }
}

// y[v, r * step] for R rows and V vectors; a bias lies as the rows of y do.
INLINE void NAMED(rows, TYPE)(
    const int R, const int V, const int P, const STORED *w, long step, long columns,
    const float *x, long ldx, long ahead, const float *bias, float *y, long ldy) {
  float totals[MOST_SUMS];
  NAMED(block, TYPE)(R, V, P, w, step * columns, columns, x, ldx, ahead, totals);
  UNROLL for (int r = 0; r < R; r++) {
    const float start = bias != NULL ? bias[r * step] : 0;
    UNROLL for (int v = 0; v < V; v++) y[v * ldy + r * step] = totals[r * V + v] + start;
  }
}

// One vector: four rows at a time, or eight short ones that follow one another: a model of short
// rows lies in a cache, and adding up the sums is what costs.
static void NAMED(vector, TYPE)(
    const STORED *w, long rows, long columns, const float *x, const float *bias, float *y) {
  if (columns <= 512) {
    const long whole = rows & ~7L;
    for (long r = 0; r < whole; r += 8) {
      NAMED(rows, TYPE)(
          8, 1, 1, w + r * columns, 1, columns, x, 0, FETCH_AHEAD,
          bias != NULL ? bias + r : NULL, y + r, 0);
    }
    for (long r = whole; r < rows; r++) {
      NAMED(rows, TYPE)(
          1, 1, 1, w + r * columns, 0, columns, x, 0, 0, bias != NULL ? bias + r : NULL, y + r, 0);
    }
    return;
  }
  const long apart = rows / 4;
  for (long r = 0; r < apart; r++) {
    NAMED(rows, TYPE)(
        4, 1, 2, w + r * columns, apart, columns, x, 0, FETCH_AHEAD, bias != NULL ? bias + r : NULL,
        y + r, 0);
  }
  for (long r = 4 * apart; r < rows; r++) {
    NAMED(rows, TYPE)(
        1, 1, 2, w + r * columns, 0, columns, x, 0, FETCH_AHEAD, bias != NULL ? bias + r : NULL,
        y + r, 0);
  }
}

// Up to V vectors and R rows, `step` rows apart.
INLINE void NAMED(few, TYPE)(
    const int R, const int V, const STORED *w, long step, long columns, const float *x, long ldx,
    long vectors, long ahead, const float *bias, float *y, long ldy) {
  switch (vectors < V ? vectors : V) {
#define CASE(N)                                                                                   \
  case N:                                                                                         \
    if (N <= V) NAMED(rows, TYPE)(R, N, 1, w, step, columns, x, ldx, ahead, bias, y, ldy); \
    break;
    CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8)
#undef CASE
  }
}

// A few vectors: R rows times V vectors fill the registers. Four rows of each run follow one another for
// the same vectors, which are then still near, and so are the rows for the next.
INLINE void NAMED(runs, TYPE)(
    const int R, const int V, const STORED *w, long rows, long columns, const float *x, long ldx,
    long vectors, const float *bias, float *y, long ldy) {
  const long apart = rows / R;
  for (long first = 0; first < apart; first += 4) {
    const long end = first + 4 < apart ? first + 4 : apart;
    for (long v = 0; v < vectors; v += V) {
      for (long r = first; r < end; r++) {
        NAMED(few, TYPE)(
            R, V, w + r * columns, apart, columns, x + v * ldx, ldx, vectors - v, FETCH_AHEAD,
            bias != NULL ? bias + r : NULL, y + v * ldy + r, ldy);
      }
    }
  }
  for (long r = R * apart; r < rows; r++) {
    for (long v = 0; v < vectors; v += V) {
      NAMED(few, TYPE)(
          1, V, w + r * columns, 0, columns, x + v * ldx, ldx, vectors - v, FETCH_AHEAD,
          bias != NULL ? bias + r : NULL, y + v * ldy + r, ldy);
    }
  }
}

// Many vectors: a panel of rows is converted once, and stays in the first cache while the vectors go by.
static void NAMED(panels, TYPE)(
    const STORED *w, long rows, long columns, const float *x, long ldx, long vectors,
    const float *bias, float *y, long ldy) {
  float panel[PANEL_ROWS * PANEL_STRIDE] __attribute__((aligned(64)));
  for (long c = 0; c < columns; c += PANEL_COLUMNS) {
    const long span = columns - c < PANEL_COLUMNS ? columns - c : PANEL_COLUMNS;
    const float *start = c == 0 ? bias : NULL;
    for (long r = 0; r < rows; r += PANEL_ROWS) {
      const long count = rows - r < PANEL_ROWS ? rows - r : PANEL_ROWS;
      for (long i = 0; i < count; i++) {
        const STORED *source = w + (r + i) * columns + c;
        float *target = panel + i * PANEL_STRIDE;
        long k = 0;
        for (; k + WIDTH <= span; k += WIDTH) {
          wide values;
          LOAD(&values, source + k);
          memcpy(target + k, &values, sizeof values);
          __builtin_prefetch((const char *)(source + k + PANEL_ROWS * columns));
        }
        for (; k < span; k++) target[k] = VALUE(source[k]);
      }
      panel_times(
          panel, count, span, x + c, ldx, vectors, start != NULL ? start + r : NULL, c > 0, y + r,
          ldy);
    }
  }
}

static void NAMED(product, TYPE)(
    const STORED *w, long rows, long columns, const float *x, long ldx, long vectors,
    const float *bias, float *y, long ldy) {
  if (vectors == 1) {
    NAMED(vector, TYPE)(w, rows, columns, x, bias, y);
  } else if (vectors >= PANEL_VECTORS) {
    NAMED(panels, TYPE)(w, rows, columns, x, ldx, vectors, bias, y, ldy);
#if WIDTH == 16
  } else if (vectors <= 4) {
    NAMED(runs, TYPE)(6, 4, w, rows, columns, x, ldx, vectors, bias, y, ldy);
  } else {
    NAMED(runs, TYPE)(3, 8, w, rows, columns, x, ldx, vectors, bias, y, ldy);
#else
  } else {
    NAMED(runs, TYPE)(3, 4, w, rows, columns, x, ldx, vectors, bias, y, ldy);
#endif
  }
}

#undef LINE
#undef NAMED
#undef JOINED
#undef TYPE
#undef STORED
#undef LOAD
#undef VALUE

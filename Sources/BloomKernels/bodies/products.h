// Stored weights times a few vectors. Decoding reads every weight once per token, so the bytes of
// the weights are its limit: they are converted in registers, never in memory.

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

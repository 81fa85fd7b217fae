// Layer norm and its gradient.

typedef struct moments {
  float mean;
  float inverse_deviation;
} moments;

INLINE moments row_moments(
    const float *x, long columns, float epsilon) {
  BLOOM_REORDER
  float sum = 0;
  for (long c = 0; c < columns; c++) sum += x[c];
  const float mean = sum / (float)columns;
  // Two passes: the difference of squares would cancel for rows far from zero.
  float squares = 0;
  for (long c = 0; c < columns; c++) squares += (x[c] - mean) * (x[c] - mean);
  return (moments){mean, 1.0f / sqrtf(squares / (float)columns + epsilon)};
}

static void layer_norm(
    const float *x, long rows, long columns, const float *weight, const float *bias,
    float epsilon, float *y) {
  for (long t = 0; t < rows; t++) {
    const float *row = x + t * columns;
    float *result = y + t * columns;
    const moments m = row_moments(row, columns, epsilon);
    for (long c = 0; c < columns; c++) {
      result[c] = (row[c] - m.mean) * m.inverse_deviation * weight[c] + bias[c];
    }
  }
}

static void layer_norm_backward(
    const float *x, const float *dy, long rows, long columns, const float *weight,
    float epsilon, float *dx) {
  for (long t = 0; t < rows; t++) {
    BLOOM_REORDER
    const float *row = x + t * columns;
    const float *gradient = dy + t * columns;
    float *result = dx + t * columns;
    const moments m = row_moments(row, columns, epsilon);
    float sum = 0;
    float projection = 0;
    for (long c = 0; c < columns; c++) {
      const float g = gradient[c] * weight[c];
      sum += g;
      projection += g * (row[c] - m.mean) * m.inverse_deviation;
    }
    sum /= (float)columns;
    projection /= (float)columns;
    for (long c = 0; c < columns; c++) {
      const float normal = (row[c] - m.mean) * m.inverse_deviation;
      result[c] += m.inverse_deviation * (gradient[c] * weight[c] - sum - normal * projection);
    }
  }
}

// GELU in its tanh form, and its gradient.

// 0.5 (1 + tanh(u)) is the logistic function of 2u, which needs one exponential and no cancellation.
INLINE float gate(float x) {
  const float u = 0.79788456f * x * (1.0f + 0.044715f * x * x);
  return 1.0f / (1.0f + bloom_exp(-2.0f * u));
}

static void gelu(float *x, long count) {
  for (long i = 0; i < count; i++) x[i] = x[i] * gate(x[i]);
}

static void gelu_backward(const float *restrict x, float *restrict dy, long count) {
  for (long i = 0; i < count; i++) {
    const float s = gate(x[i]);
    // 0.1070322243 = 0.79788456 * 3 * 0.044715
    const float slope = 0.79788456f + 0.1070322243f * x[i] * x[i];
    dy[i] *= s + 2.0f * x[i] * s * (1.0f - s) * slope;
  }
}

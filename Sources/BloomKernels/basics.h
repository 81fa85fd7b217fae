// What every kernel is written with, whatever the instruction set.
#ifndef BLOOM_BASICS_H
#define BLOOM_BASICS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "BloomKernels.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

#define INLINE static inline __attribute__((always_inline))

// Sums may be reordered (which lets them be vectorised) and products fused with additions.
#define BLOOM_REORDER _Pragma("clang fp reassociate(on) contract(fast)")

// The trip count is a constant once the function is inlined.
#define UNROLL _Pragma("clang loop unroll(full)")

// The tables of kernels, one for each instruction set that this build holds.
extern const bloom_kernels bloom_kernels_portable;
extern const bloom_kernels bloom_kernels_tiles;
#if defined(__x86_64__)
extern const bloom_kernels bloom_kernels_avx2;
extern const bloom_kernels bloom_kernels_avx512;
extern const bloom_kernels bloom_kernels_amx;
#endif

#endif

// The kernels for x86-64 processors with AVX-512.
#include "basics.h"
#include "exponential.h"
#include "half.h"
#include "lanes.h"

#if defined(__x86_64__)
#define TARGET "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi,bmi2,f16c,fma,lzcnt,popcnt"
#pragma clang attribute push(__attribute__((target(TARGET))), apply_to = function)

#define WIDTH 16
#define VARIANT_TABLE bloom_kernels_avx512
#define VARIANT_NAME "avx512"
#define VARIANT_X86 1

#include "bodies/all.h"

#pragma clang attribute pop
#endif

// The kernels for x86-64 processors with AVX2.
#include "basics.h"
#include "exponential.h"
#include "half.h"
#include "lanes.h"

#if defined(__x86_64__)
#define TARGET "avx2,bmi,bmi2,f16c,fma,lzcnt,popcnt"
#pragma clang attribute push(__attribute__((target(TARGET))), apply_to = function)

#define WIDTH 8
#define VARIANT_TABLE bloom_kernels_avx2
#define VARIANT_NAME "avx2"
#define VARIANT_X86 1

#include "bodies/all.h"

#pragma clang attribute pop
#endif

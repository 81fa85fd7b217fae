// The kernels for x86-64 processors with AVX-512 and AMX: those of avx512.c, and products by tiles.
#include "basics.h"
#include "exponential.h"
#include "half.h"
#include "lanes.h"

#if defined(__x86_64__)
#define TARGET                                                                        \
  "avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx2,bmi,bmi2,f16c,fma,lzcnt,popcnt," \
  "amx-tile,amx-bf16,amx-int8"
#pragma clang attribute push(__attribute__((target(TARGET))), apply_to = function)

#include "tiles_amx.h"

#define WIDTH 16
#define VARIANT_TABLE bloom_kernels_amx
#define VARIANT_NAME "amx"
#define VARIANT_X86 1
#define VARIANT_TILES 8

#include "bodies/all.h"

#pragma clang attribute pop
#endif

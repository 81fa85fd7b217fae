// The kernels for any processor, vectorised for whatever the build's baseline is.
#include "basics.h"
#include "exponential.h"
#include "half.h"
#include "lanes.h"

#define WIDTH 8
#define VARIANT_TABLE bloom_kernels_portable
#define VARIANT_NAME "portable"

#include "bodies/all.h"

// The portable kernels, and products by tiles that are emulated: for tests.
#include "basics.h"
#include "exponential.h"
#include "half.h"
#include "lanes.h"

#include "tiles_emulated.h"

#define WIDTH 8
#define VARIANT_TABLE bloom_kernels_tiles
#define VARIANT_NAME "tiles"
// Not faster at any: so that small tests use them.
#define VARIANT_TILES 2

#include "bodies/all.h"

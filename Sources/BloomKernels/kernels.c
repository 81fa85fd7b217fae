#include "BloomKernels.h"

#ifndef BLOOM_KERNELS_H
#define BLOOM_KERNELS_H
#endif

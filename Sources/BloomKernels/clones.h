// One source, several instruction sets: the loader picks the best clone for the processor.
//
// This needs GNU indirect functions, which glibc on x86-64 has and musl and macOS have not; there,
// and on arm64 (whose baseline includes NEON), the plain function is compiled alone. So it is under
// a sanitizer: the loader calls the choosing functions before the sanitizer's runtime is there.
#ifndef BLOOM_CLONES_H
#define BLOOM_CLONES_H

#if defined(__linux__)
#include <features.h>
#endif

#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer) || \
    __has_feature(memory_sanitizer)
#define BLOOM_SANITIZED 1
#else
#define BLOOM_SANITIZED 0
#endif

#if defined(__x86_64__) && defined(__linux__) && defined(__GLIBC__) && \
    __has_attribute(target_clones) && !BLOOM_SANITIZED
#define BLOOM_CLONES \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define BLOOM_CLONES
#endif

// Sums may be reordered (which lets them be vectorised) and products fused with additions.
#define BLOOM_REORDER _Pragma("clang fp reassociate(on) contract(fast)")

#endif

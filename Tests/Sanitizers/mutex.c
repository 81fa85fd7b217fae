// What the thread sanitizer does not see of Swift's Mutex on Linux.
//
// A Mutex that is free is taken by an atomic operation in the caller's code, which the sanitizer
// follows. One that is taken already is waited for inside libswiftSynchronization, which is not
// instrumented: the sanitizer takes whatever the mutex guards for unguarded. This is that wait,
// instrumented; the program's own definition goes before the library's. Scripts/sanitize.sh links it.
//
// The word is 0 or the thread that has the mutex (swiftlang/swift, Synchronization/Mutex/LinuxImpl).
// Nobody waits in the kernel here, so that giving back never takes the library's other way.
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>

__attribute__((swiftcall)) void lock_slow(
    uint32_t self, __attribute__((swift_context)) _Atomic uint32_t *word)
    __asm__("$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF");

__attribute__((swiftcall)) void lock_slow(
    uint32_t self, __attribute__((swift_context)) _Atomic uint32_t *word) {
  uint32_t free = 0;
  while (!atomic_compare_exchange_weak_explicit(
      word, &free, self, memory_order_acquire, memory_order_relaxed)) {
    free = 0;
    sched_yield();
  }
}

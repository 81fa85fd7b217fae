# shellcheck shell=bash
# Sourced, not run. OpenBLAS reads these before main() starts, so a program cannot set them for itself.
#
# * One thread: the nodes split the work over their own pool, which OpenBLAS's threads would fight.
# * OpenBLAS takes a processor newer than itself for a Haswell; its SkylakeX kernels are about twice
#   as fast. They are illegal instructions on a processor without all four AVX-512 parts.
#
# What the caller has set already is left alone.

export OPENBLAS_NUM_THREADS="${OPENBLAS_NUM_THREADS:-1}"

has_processor_flags() {
  local flag
  for flag in "$@"; do
    grep -m 1 '^flags' /proc/cpuinfo 2>/dev/null | grep -qw "$flag" || return 1
  done
}

if [ -z "${OPENBLAS_CORETYPE:-}" ] && has_processor_flags avx512f avx512bw avx512dq avx512vl; then
  export OPENBLAS_CORETYPE=SkylakeX
fi

#!/bin/sh
# Runs libtorch_twin in the best setting found for it.
#   bench/libtorch_best.sh path/to/libtorch_twin [flags of the twin]
#
# Compared on 2 cores (Zen 5), the reference step, 2 threads: the least ms of 1 to 4 runs of 10 steps, composed cell and
# torch::nn::LSTM, taken at raised priority while compilers ran beside; medians lie 3 to 35 % above. So differences under
# a tenth mean nothing here:
#   OpenBLAS-OpenMP, SkylakeX kernels              29  31   <- this script
#   the same with OMP_WAIT_POLICY=active           32  33   (with OMP_PROC_BIND=true 29  32)
#   the same with ATEN_CPU_CAPABILITY=avx512       30  32
#   OpenBLAS-OpenMP, as it detects the CPU         30  32   (Cooperlake)
#   OpenBLAS-OpenMP, Haswell kernels               36  40
#   the same with OMP_WAIT_POLICY=passive          48  53
#   OpenBLAS-pthread, Haswell, passive             46  55   (not passive: not measured alike)
#   BLIS 0.9-OpenMP, BLIS_ARCH_TYPE=haswell        56  45   (zen3 56  46, skx 55  49)
#   BLIS 0.9-OpenMP, as it detects the CPU        143 153   (a CPU it does not know)
# On 2 cores of Zen 4 (medians of the composed cell, two rounds): Haswell kernels, active 44 to 48, Zen kernels, active
# 46 to 47, SkylakeX 50 to 53 (active 51), passive 53 to 64 with any.
set -eu
if [ $# -lt 1 ] || [ ! -x "$1" ]; then
  echo "usage: $0 path/to/libtorch_twin [flags; --help lists them]" >&2
  exit 2
fi

# libtorch calls whatever libblas.so.3 it finds. Debian's usual one is either slow or brings threads of its own that fight
# with libtorch's OpenMP threads; OpenBLAS built for OpenMP shares them. It is unpacked for this run alone where it is
# not installed, since installing it would change the BLAS of the whole system.
openblas() {
  for place in /usr/lib/*/openblas-openmp "$cache"/usr/lib/*/openblas-openmp; do
    [ -e "$place/libblas.so.3" ] && echo "$place" && return
  done
  return 1
}
[ "${HOME:-}" ] || unset HOME  # then ~ is what the system knows
cache=${XDG_CACHE_HOME:-~/.cache}/rill/libopenblas0-openmp
if ! blas=$(openblas); then
  mkdir -p "$cache"
  (cd "$cache" && apt-get download -qq libopenblas0-openmp >&2 && dpkg -x libopenblas0-openmp_*.deb .) || {
    echo "$0: libopenblas0-openmp is neither installed nor to be had from apt; without it the peer would not be at its best" >&2
    exit 1
  }
  blas=$(openblas)
fi

# What the environment asks of OpenBLAS and OpenMP is set aside: OPENBLAS_CORETYPE=Haswell, which some machines preset,
# costs a fifth of the step on Zen 5. RILL_LIBTORCH_KERNELS and RILL_LIBTORCH_WAIT, which bench/compare.py sets to the
# best that it finds on the machine at hand, say what to use instead.
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE OPENBLAS_NUM_THREADS OMP_NUM_THREADS OMP_WAIT_POLICY OMP_PROC_BIND \
  ATEN_CPU_CAPABILITY
if [ -n "${RILL_LIBTORCH_KERNELS-}" ]; then
  export OPENBLAS_CORETYPE="$RILL_LIBTORCH_KERNELS"
elif grep -q -m1 avx512bw /proc/cpuinfo; then
  export OPENBLAS_CORETYPE=SkylakeX
fi
if [ -n "${RILL_LIBTORCH_WAIT-}" ]; then
  export OMP_WAIT_POLICY="$RILL_LIBTORCH_WAIT"
fi
export LD_LIBRARY_PATH="$blas${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
echo "libtorch with OpenBLAS-OpenMP from $blas, OPENBLAS_CORETYPE=${OPENBLAS_CORETYPE:-automatic}" >&2
exec "$@"

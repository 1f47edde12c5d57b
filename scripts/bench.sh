#!/usr/bin/env bash
# Builds the benchmarks and prints their figures, in turn with libtorch's in its best setting.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/bench.sh [--rounds N] [--json FILE] [PART...]

Measures Rill beside the machine's own limits and, where libtorch-dev is installed, beside libtorch in the best
setting found for it (bench/libtorch_best.sh), and prints tables of ratios.

Parts (all where none is named):
  step     the reference step, its variants, the floor of its matrix products   about 5 minutes
  small    small operations, streaming, evaluation, the optimiser               about 2 minutes
  memory   peak memory of long sequences, with and without recomputation        about 1 minute
  sizes    other batches, widths, lengths and depths for LSTM, GRU and RNN      about 15 minutes

RILL_THREADS says how many threads Rill uses (default: all processors); libtorch uses 2.
TEXT
}

arguments=()
while (($#)); do
  case $1 in
    -h | --help) usage; exit ;;
    --json=*) set -- --json "${1#*=}" "${@:2}" ;;
    --json) arguments+=(--json "$(realpath -m -- "${2?bench: --json needs a file}")"); shift 2 ;;
    *) arguments+=("$1"); shift ;;
  esac
done
CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
scripts/install_dependencies.sh build bench
cmake --preset release -B build/bench -DRILL_BENCH=ON -DRILL_TESTS=OFF -DRILL_EXAMPLES=OFF >/dev/null
cmake --build build/bench --target rill_bench
cmake --build build/bench --target libtorch_twin || echo "bench: no libtorch; install libtorch-dev to compare" >&2
exec python3 bench/compare.py --bench build/bench/bench ${arguments+"${arguments[@]}"}

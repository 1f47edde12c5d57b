#!/usr/bin/env bash
# The reference training step of Rill and of libtorch in its best setting, in turn, so that a drift of the
# machine meets both.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/bench.sh [ROUNDS]

Builds and times a training step of the tutorial's classifier (batch 32, float32) with Rill and, where
libtorch-dev is installed, with libtorch: ROUNDS times (3) each, in turn.
TEXT
}

case ${1:-} in
  -h | --help) usage; exit ;;
esac
rounds=${1:-3}
cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/install_dependencies.sh build
cmake --preset release -DRILL_BENCH=ON -DRILL_TESTS=OFF
cmake --build --preset release --target reference_step
twin=build/release/bench/libtorch_twin
cmake --build --preset release --target libtorch_twin || echo "bench: no libtorch; install libtorch-dev to compare" >&2
for ((round = 0; round < rounds; ++round)); do
  build/release/bench/reference_step --threads 2
  if [[ -x $twin ]]; then
    for cell in composed lstm; do bench/libtorch_best.sh "$twin" --threads 2 --steps 40 --cell "$cell"; done
  fi
done

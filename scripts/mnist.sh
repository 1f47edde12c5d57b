#!/usr/bin/env bash
# From a fresh clone to training on MNIST.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/mnist.sh [OPTION...]

Installs what is missing, fetches MNIST, builds Rill and runs examples/mnist_lstm.
The options are those of the example: scripts/mnist.sh --epochs 4 --seed 1
Run build/release/examples/mnist_lstm --help for all of them, once it is built.

RILL_DATA names the folder that MNIST is kept in (see scripts/fetch_mnist.sh --help).
TEXT
}

if [[ ${1:-} == -h || ${1:-} == --help ]]; then usage; exit; fi
root=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
[[ ${HOME:-} ]] || unset HOME  # then ~ is what the system knows
data=${RILL_DATA:-${XDG_CACHE_HOME:-~/.cache}/rill}/mnist
[[ $data == /* ]] || data=$PWD/$data  # so that no name is taken for an option
build=$root/build/release

"$root/scripts/install_dependencies.sh" build
"$root/scripts/fetch_mnist.sh" "$data"
if [[ ! -f $build/build.ninja ]]; then
  cmake -S "$root" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DRILL_TESTS=OFF
fi
cmake --build "$build" --target mnist_lstm
exec "$build/examples/mnist_lstm" --data "$data" "$@"

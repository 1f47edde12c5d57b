#!/usr/bin/env bash
# From a fresh clone to all tests passed.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/test.sh [--sanitizers] [--no-onednn] [--all] [PRESET...] [-- CTEST_OPTION...]

Installs what is missing, builds and tests. Without a preset: ci, which is a release build with
warnings as errors and every public header compiled alone.

  --sanitizers  the presets asan (address and undefined behaviour) and tsan (threads)
  --no-onednn   the preset no-onednn
  --all         all of them

CTEST_OPTIONs go to ctest: scripts/test.sh -- -R matmul
TEXT
}

presets=()
while (($#)); do
  case $1 in
    -h | --help) usage; exit ;;
    --sanitizers) presets+=(asan tsan) ;;
    --no-onednn) presets+=(no-onednn) ;;
    --all) presets+=(no-onednn asan tsan ci) ;;
    --) shift; break ;;
    -*) echo "test: no option '$1'; see --help" >&2; exit 2 ;;
    *) presets+=("$1") ;;
  esac
  shift
done
((${#presets[@]})) || presets=(ci)

CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
scripts/install_dependencies.sh build test
if command -v ccache >/dev/null; then export CMAKE_CXX_COMPILER_LAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER-ccache}; fi

# The shadow memory of the thread sanitizer of g++ 12 collides with addresses that newer kernels randomise further.
fixed_addresses() {
  if [[ $1 == tsan ]] && setarch "$(uname -m)" -R true 2>/dev/null; then
    shift
    setarch "$(uname -m)" -R "$@"
  else
    shift
    "$@"
  fi
}

for preset in "${presets[@]}"; do
  echo "== $preset"
  cmake --preset "$preset"
  fixed_addresses "$preset" cmake --build --preset "$preset"
  fixed_addresses "$preset" ctest --preset "$preset" "$@"
done

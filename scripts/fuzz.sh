#!/usr/bin/env bash
# Gives broken files to everything in Rill that reads files.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/fuzz.sh [SECONDS] [TARGET...]

Installs what is missing, builds the fuzzers of tests/fuzz and runs each for SECONDS, by default 60, one after the
other. A TARGET is the name of a file there, such as image; by default all of them run.

They run with the address and undefined-behaviour sanitizers of clang, and begin with the files of tests/fuzz/corpus.
What they learn is kept in build/fuzz/corpus for the next time. A file that crashes a reader, takes it more than 10
seconds or 256 MiB at once, or leaks, is kept in build/fuzz/findings, and the script fails.
TEXT
}

if [[ ${1:-} == -h || ${1:-} == --help ]]; then usage; exit; fi
seconds=60
if [[ ${1:-} =~ ^[1-9][0-9]*$ ]]; then
  seconds=$1
  shift
fi

CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
targets=("$@")
if ((${#targets[@]} == 0)); then
  for source in tests/fuzz/*.cpp; do targets+=("$(basename "$source" .cpp)"); done
fi
for target in "${targets[@]}"; do
  if [[ ! -f tests/fuzz/$target.cpp ]]; then
    echo "fuzz: no target '$target'; see --help" >&2
    exit 2
  fi
done

scripts/install_dependencies.sh build fuzz
if command -v ccache >/dev/null; then export CMAKE_CXX_COMPILER_LAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER-ccache}; fi
cmake --preset fuzz
cmake --build --preset fuzz --target "${targets[@]/#/fuzz_}"

findings=build/fuzz/findings
mkdir -p "$findings"
failed=()
for target in "${targets[@]}"; do
  echo "== $target"
  learned=build/fuzz/corpus/$target
  mkdir -p "$learned"
  if build/fuzz/tests/fuzz/"fuzz_$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 \
       -malloc_limit_mb=256 -max_len=16384 -print_final_stats=1 -artifact_prefix="$findings/$target-" \
       "$learned" "tests/fuzz/corpus/$target" >"$findings/$target.log" 2>&1; then
    grep -E 'number_of_executed_units|new_units_added|peak_rss' "$findings/$target.log"
  else
    tail -n 100 "$findings/$target.log"
    failed+=("$target")
  fi
done
if ((${#failed[@]})); then
  echo "fuzz: findings of ${failed[*]} are in $findings; run build/fuzz/tests/fuzz/fuzz_TARGET FILE to see one again" >&2
  exit 1
fi

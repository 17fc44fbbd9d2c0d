#!/bin/bash
# Run test programs one after the other and count: run-tests.sh FILE...
# A program that prints TAP lines (ok N - ..., not ok N - ..., # SKIP) counts by them; any other
# counts as one test that its exit code decides. Failing programs' output is shown.
# Closes with "N passed, N failed[, N skipped]"; exit code 1 when one failed.
set -u
passed=0 failed=0 skipped=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for file in "$@"; do
    start=$(date +%s%N)
    timeout "${OAK_TEST_TIMEOUT:-600}" "$file" >"$log" 2>&1 </dev/null
    code=$?
    took=$((($(date +%s%N) - start) / 1000000))
    good=$(grep -cE '^ok\b' "$log")
    bad=$(grep -cE '^not ok\b' "$log")
    skip=$(grep -cE '^ok\b.*# SKIP' "$log")
    if [ $((good + bad)) -eq 0 ]; then
        if [ $code -eq 0 ]; then good=1; else bad=1; fi
    elif [ $code -ne 0 ] && [ "$bad" -eq 0 ]; then
        bad=1
    fi
    passed=$((passed + good - skip)) failed=$((failed + bad)) skipped=$((skipped + skip))
    if [ "$bad" -eq 0 ]; then
        printf 'ok    %-40s %4d checks %6d ms\n' "${file#build/}" $((good - skip)) $took
    else
        printf 'FAIL  %-40s %4d failed %6d ms, exit code %d\n' "${file#build/}" "$bad" $took $code
        if grep -qE '^not ok\b' "$log"; then
            grep -E -A12 '^not ok\b' "$log" | tail -n 120 | sed 's/^/    /'
        else
            tail -n 60 "$log" | sed 's/^/    /'
        fi
    fi
    grep -E '^ok\b.*# SKIP' "$log" | sed 's/^/    /'
done
if [ $skipped -gt 0 ]; then
    echo "$passed passed, $failed failed, $skipped skipped"
else
    echo "$passed passed, $failed failed"
fi
[ $failed -eq 0 ]

#!/bin/bash
# All tests of the CLI, as TAP.
directory=$(dirname "$0")
count=0
code=0
for test in "$directory"/test_*.sh; do
    echo "# ${test##*/}"
    while IFS= read -r line; do
        case "$line" in
        "ok "* | "not ok "*)
            count=$((count + 1))
            [ "${line%% *}" = ok ] || code=1
            echo "$(sed -E "s/^(ok|not ok) [0-9]+/\1 $count/" <<<"$line")"
            ;;
        *) echo "$line" ;;
        esac
    done < <("$test" 2>&1 || echo "not ok 0 - ${test##*/} ended with an error")
done
[ $code -eq 0 ]

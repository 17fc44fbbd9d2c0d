#!/bin/bash
# A terminal on the real machine, as a user at a keyboard has it.
. "$(dirname "$0")/lib.sh"
/usr/bin/python3 "$root/tests/real/terminal.py" "$oak" || failed=1
echo "# ${0##*/}: $(($(date +%s%N) / 1000000 - began / 1000000)) ms"
exit "$failed"

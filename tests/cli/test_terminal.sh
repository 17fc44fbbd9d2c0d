#!/bin/bash
# -t: see terminal.py, which says what each check proves.
. "$(dirname "$0")/lib.sh"
load_tiny
/usr/bin/python3 "$root/tests/cli/terminal.py" "$oak" "$count"

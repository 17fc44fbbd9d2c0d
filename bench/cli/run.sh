#!/bin/bash
# What a user at a keyboard waits for: power-on to engine ready, and a run on a warm machine. Prints
# rows (name, value, unit, conditions).
set -u
cd "$(dirname "$0")/../.." || exit 1
exec /usr/bin/python3 bench/cli/wall.py build/host/oak build/images/busybox

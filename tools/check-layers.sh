#!/bin/sh
# Who may include whom: abi <- lib/base <- kernel; abi <- lib <- drivers, services, linux; host sees
# abi and lib/base (and its own). Services never include one another.
set -eu
cd "$(dirname "$0")/.."
bad=0
check() { # check FOLDER ALLOWED-PREFIXES-REGEX
    [ -d "$1" ] || return 0
    if grep -rnE '^#include "' --include='*.[chS]' "$1" | grep -vE "/test/|:#include \"($2)" ; then
        echo "oak: $1 may not include these" >&2
        bad=1
    fi
}
check abi 'abi/'
check lib/base 'abi/|lib/base/'
check kernel 'abi/|lib/base/|kernel/'
check lib 'abi/|lib/|drivers/'
check drivers 'abi/|lib/|drivers/'
check linux 'abi/|lib/|linux/'
check host 'abi/|lib/base/|host/'
for service in services/*/; do
    check "$service" "abi/|lib/|drivers/|$service"
done
exit $bad

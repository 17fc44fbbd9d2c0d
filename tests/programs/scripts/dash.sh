#!/bin/sh
# The shell that runs Debian's own scripts.
#@ image bash
#@ command dash -c
exec 2>&1
cd "$(mktemp -d)" || exit 1
echo "== variables"
a=1 b='two words'; echo "$a $b ${c-unset} ${c:=set} $c ${b#two } ${b%words} ${#b} $((a + 4 * 2))"
set -- x y z; echo "$# $* $2"; shift; echo "$@"; IFS=:; set -- $(echo p:q:r); unset IFS; echo "$1-$3"
echo "== control"
for i in 1 2 3; do [ $i = 2 ] && continue; echo $i; done; n=3; while [ $n -gt 0 ]; do n=$((n - 1)); done; echo $n
until [ $n -ge 2 ]; do n=$((n + 1)); done; echo $n; case abc in a*) echo a ;; esac; if false; then :; else echo else; fi
f() { local x=inner; echo "$x $1"; return 5; }; x=outer; f arg; echo "$? $x"
echo "== redirection"
echo one >f; echo two >>f; cat <f; { echo x; echo y >&2; } >g 2>&1; cat g; cat <<E | sed s/o/0/
three $((1 + 2))
E
exec 3>h; echo to three >&3; exec 3>&-; cat h; (echo sub; exit 4); echo $?; echo "$(echo a; echo b)"
echo "== traps and jobs"
sh -c 'trap "echo bye" EXIT; trap "echo term; exit 2" TERM; kill $$; sleep 1'; echo $?
sleep 0.1 & wait $!; echo $?; sh -c 'kill -9 $$' 2>/dev/null; echo $?; (sleep 5) & kill $!; wait $! 2>/dev/null; echo $?
trap 'echo hup' HUP; kill -HUP $$; trap - HUP
echo "== a thousand commands"
i=0; while [ $i -lt 150 ]; do r=$(expr $i \* 2); /bin/echo $r >/dev/null; i=$((i + 1)); done; echo $r
echo "== errors"
nosuch; echo $?; ./f; echo $?; sh -c 'set -e; false; echo not'; echo $?; sh -u -c 'echo $undefined'; echo $?
sh -n -c 'if'; echo $?; echo 'echo from a script $0' >s; sh ./s; chmod +x s; ./s; printf '#!/bin/sh\necho "$@"\n' >t; chmod +x t; ./t 1 2
printf '#!/no/such/interpreter\n' >u; chmod +x u; ./u; echo $?; printf '#!/bin/sed -f\ns/a/b/\n' >v; chmod +x v; echo banana | ./v
exit 0

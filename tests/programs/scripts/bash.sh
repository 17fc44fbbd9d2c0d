#!/bin/bash
# A script of everyday work: bash and the tools that every Debian system has.
exec 2>&1
export LC_ALL=C TZ=UTC
umask 022
cd "$(mktemp -d)" || exit 1

echo "== arithmetic and strings"
echo $((7 * 6)) $((2 ** 40)) $((0x1f & 0x3c)) $((-7 / 2)) $((-7 % 3)) $((1 << 62))
text="the quick brown fox jumps over the lazy dog"
echo "${#text} ${text:4:5} ${text##* } ${text%% *} ${text/quick/slow} ${text^^} ${text//o/0}"
printf '%05d|%-8s|%8s|%x|%o|%e\n' 42 left right 255 8 12345.678
printf '%q ' 'a b' "it's" $'tab\there'; echo
echo {1..5} {a..e}{1,2} {01..10..3}

echo "== arrays"
declare -A colour=([apple]=red [banana]=yellow [cherry]=dark)
for fruit in $(printf '%s\n' "${!colour[@]}" | sort); do echo "$fruit: ${colour[$fruit]}"; done
numbers=(5 3 9 1 7)
mapfile -t sorted < <(printf '%s\n' "${numbers[@]}" | sort -n)
echo "${sorted[@]} of ${#numbers[@]}, slice ${sorted[*]:1:3}"

echo "== functions and recursion"
factorial() { if (($1 < 2)); then echo 1; else echo $(($1 * $(factorial $(($1 - 1))))); fi; }
fibonacci() { local a=0 b=1 i; for ((i = 0; i < $1; i++)); do local c=$((a + b)); a=$b b=$c; done; echo $a; }
factorial 12
fibonacci 60
hanoi() { if (($1 > 0)); then hanoi $(($1 - 1)); moves=$((moves + 1)); hanoi $(($1 - 1)); fi; }
moves=0; hanoi 8; echo "hanoi: $moves"

echo "== here documents"
cat <<-END
	tabs go, $((1 + 1)) stays
	END
cat <<'END' | tr a-z A-Z
$nothing is expanded `here`
END
grep -c . <<<$'one\ntwo\nthree'

echo "== redirections"
{ echo out; echo err >&2; } >both 2>&1; cat both
echo first >file; echo second >>file; wc -l <file
exec 5<>file; read -r line <&5; echo "read: $line"; echo third >&5; exec 5>&-; cat file
(set -o noclobber; echo x >file) && echo "clobbered"
cat <(echo process) <(echo substitution)
tee >(wc -c >counted) <file >/dev/null; sleep 0.2; cat counted
cat nothing-there; echo "code $?"

echo "== pipes"
seq 1 1000 | sed -n '/7$/p' | awk '{ sum += $1 } END { print NR, sum }'
yes | head -n 3
false | true; echo "${PIPESTATUS[@]}"
set -o pipefail; false | true; echo "pipefail $?"; set +o pipefail
seq 1 20000 | sort -R | sort -n | tail -n 1
head -c 1000000 /dev/zero | tr '\0' x | fold -w 100 | wc -l
seq 3 | while read -r n; do echo -n "$n "; done; echo

echo "== jobs"
set +m
sleep 0.05 & first=$!
(exit 7) & second=$!
wait $second; echo "second $?"
wait $first; echo "first $?"
{ for i in 1 2 3 4; do (sleep 0.0$i; echo "job $i") & done; wait; } | sort
coproc up { while read -r line; do echo "${line^^}"; done; }
echo "through a coprocess" >&"${up[1]}"; read -r answer <&"${up[0]}"; echo "$answer"
exec {up[1]}>&-; wait

echo "== signals"
bash -c 'trap "echo caught TERM; exit 3" TERM; kill -TERM $$; sleep 1'; echo "code $?"
(bash -c 'kill -KILL $$'; echo "code $?") 2>/dev/null
bash -c 'trap "echo leaving" EXIT; exit 4'; echo "code $?"
sleep 30 & kill $!; wait $! 2>/dev/null; echo "code $?"
timeout 0.1 sleep 5; echo "timeout $?"
bash -c 'trap "" PIPE; yes' 2>/dev/null | head -n 1; echo "${PIPESTATUS[0]}"
trap 'echo usr1' USR1; kill -USR1 $$; trap - USR1

echo "== conditions"
[[ abc == a*c && abc =~ ^a(.)c$ ]] && echo "matched ${BASH_REMATCH[1]}"
[ -f file ] && [ ! -d file ] && [ -s file ] && echo "a file with content"
[ file -nt nothing-there ] && echo newer
case "$text" in *fox*) echo "has a fox" ;; *) echo none ;; esac
for word in one two three; do [ $word = two ] && continue; echo -n "$word "; done; echo
set -- -a -b value rest; while getopts ab: option; do echo "$option ${OPTARG-}"; done

echo "== globs"
mkdir -p glob/sub; touch glob/{a,b,c}.txt glob/sub/{d,e}.txt glob/.hidden
echo glob/*.txt; shopt -s globstar dotglob; echo glob/**; shopt -u globstar dotglob
echo glob/[ab]* glob/?.txt glob/none*; shopt -s nullglob; echo glob/none*; shopt -u nullglob
bash -O extglob -c 'echo glob/!(a).txt'

echo "== files"
mkdir -p tree/a/b tree/c; echo content >tree/a/file; ln tree/a/file tree/c/hard; ln -s ../a/file tree/c/soft
stat -c '%n %F %s %h %a' tree/a/file tree/c/hard tree/c/soft; stat -c '%n %F %h %a' tree/a
readlink tree/c/soft; realpath --relative-to=. tree/c/soft; cat tree/c/soft
cp -a tree copy; diff -r tree copy && echo "same"
mv copy/a copy/moved; ls -R copy
chmod 640 tree/a/file; stat -c %A tree/a/file; chmod u+x,g-r tree/a/file; stat -c %A tree/c/hard
touch -d '2020-02-29 12:34:56.5' tree/a/file; stat -c %y tree/a/file; date -r tree/a/file +%FT%T.%N
install -D -m 755 tree/a/file new/place/program; stat -c '%a %n' new/place/program
truncate -s 1M sparse; stat -c '%s %b' sparse; dd if=/dev/urandom of=sparse bs=4k count=1 seek=10 conv=notrunc status=none; stat -c '%s %b' sparse
rm -rf tree copy new; ls
mkfifo queue; (echo through a fifo >queue) & cat queue; wait; rm queue
rmdir glob; echo "code $?"
mktemp -u XXXXXX | wc -c

echo "== long directory"
mkdir many; (cd many && seq -f file-%04g 1 2000 | xargs touch)
ls many | wc -l; ls many | sort | md5sum; find many -name '*7' | wc -l; rm -r many; ls -d many

echo "== text tools"
cat >people <<'END'
name,age,town
Ada,36,London
Blaise,39,Paris
Carl,77,Goettingen
Emmy,53,Erlangen
Kurt,71,Princeton
END
cut -d, -f1,3 people | tail -n +2 | sort -t, -k2
awk -F, 'NR > 1 { total += $2; names = names $1 " " } END { printf "%s%.2f\n", names, total / (NR - 1) }' people
sed -e '1d' -e 's/\([^,]*\),\([0-9]*\).*/\2 \1/' people | sort -rn | head -n 2
grep -n 'a' people; grep -vc ',' people; grep -E '^(Ada|Kurt)' people; grep -o '[0-9]\+' people | paste -sd+
tr -cd 'a-z' <people | fold -w1 | sort | uniq -c | sort -k1,1nr -k2 | head -n 5
join -t, <(sort people) <(printf 'Ada,analyst\nKurt,logician\n'); comm -12 <(seq 10 19) <(seq 15 25) | tr '\n' ' '; echo
column -t -s, people; nl people | tail -n 2; rev <<<stressed; tac people | head -n 1
expand -t 4 <<<$'a\tb'; fmt -w 20 <<<"$text"; split -n l/3 people part-; wc -l part-*; cat part-* | cmp - people && echo whole
od -An -tx1 -c <<<"Oak"; printf '\x00\x01\xff' | base64; base64 -d <<<T2Fr; echo; seq 5 | shuf --random-source=/dev/zero | tr '\n' ' '; echo

echo "== diff and patch"
sed 's/39/40/' people >people.new; diff people people.new; diff -u --label old --label new people people.new; cmp people people.new

echo "== awk program"
awk 'BEGIN { for (n = 2; n < 100; n++) { prime = 1; for (d = 2; d * d <= n; d++) if (n % d == 0) { prime = 0; break }
    if (prime) list = list " " n } print substr(list, 2); srand(1); print length(rand() "") > 0
    while (("echo from a command; echo again" | getline line) > 0) print "got " line
    print toupper("x") sprintf("%c%3d", 65, 7); print match("foobar", /o+/), RSTART, RLENGTH; print strftime("%Y", 0, 1) }'

echo "== find and xargs"
mkdir -p walk/{x,y}/{1,2}; for f in walk/*/*; do echo "$f" >"$f/data"; done; touch -d 2001-01-01 walk/x/1/data
find walk -type f | sort; find walk -name data -newermt 2010-01-01 | wc -l; find walk -type d -empty
find walk -type f -print0 | sort -z | xargs -0 -n 2 echo; find walk -type f -exec cat {} + | sort | head -n 1
find walk -depth -delete; seq 1 10 | xargs -P 4 -I{} sh -c 'echo $(({} * {}))' | sort -n | tr '\n' ' '; echo

echo "== archives"
mkdir -p pack/deep; echo one >pack/one; head -c 100000 /dev/zero >pack/deep/zeros; ln -s one pack/link
tar --sort=name --mtime=@0 --owner=0 --group=0 -czf pack.tar.gz pack; tar -tzf pack.tar.gz; mkdir out; tar -xzf pack.tar.gz -C out; diff -r pack out/pack && echo same
gzip -9 -k pack/deep/zeros; gzip -dc pack/deep/zeros.gz | cmp - pack/deep/zeros && echo same; gzip -l pack/deep/zeros.gz | awk 'NR == 2 { print $2 }'

echo "== checksums"
seq 1 100000 >numbers; md5sum numbers; sha1sum numbers; sha256sum numbers; sha512sum numbers | cut -c1-32; cksum numbers; b2sum numbers | cut -c1-32; sha256sum numbers | sha256sum -c; wc numbers

echo "== users"
id; id -un; whoami; groups; id nobody; getent passwd daemon
touch owned; chown 1000:1001 owned; stat -c '%u %g %U %G' owned; chgrp nogroup owned; stat -c %G owned
setpriv --reuid 1000 --regid 1000 --clear-groups bash -c 'id; cat /root/.profile; echo x >/etc/new; : >/tmp/mine && stat -c %u /tmp/mine; kill -0 1; echo $?'

echo "== environment"
export OAK_VARIABLE="a value"; env | grep ^OAK; env -i A=1 B=2 env | sort; printenv OAK_VARIABLE; unset OAK_VARIABLE; printenv OAK_VARIABLE; echo $?
env -u PATH /bin/sh -c 'echo ${PATH-none}'; (cd / && pwd && cd tmp && pwd && echo $OLDPWD); echo $0 $# $1; echo $BASH_SUBSHELL; (echo $BASH_SUBSHELL)
ulimit -s; ulimit -c; (ulimit -n 20; ulimit -n); nice; type -t cd ls if

echo "== dates"
date -u -d @0 +%c; date -u -d '2024-02-29 +1 year' +%F; date -d '2000-01-01 next monday' +%a; TZ=UTC0 date -d @1700000000 '+%s %j %V'

echo "== processes"
ps -o comm= -p $$; ps -e -o comm= | grep -c '^bash$'; bash -c 'echo $PPID' | grep -qx $$ && echo parent; pgrep -f no-such-process; echo $?
cat /proc/self/comm; tr '\0' ' ' </proc/self/cmdline; echo; ls -l /proc/self/fd/0 | grep -c /dev/null; grep -c . /proc/self/maps >/dev/null && echo maps
sleep 5 & pid=$!; ps -o stat= -p $pid | cut -c1; kill -STOP $pid; sleep 0.1; ps -o stat= -p $pid | cut -c1; kill -CONT $pid; kill $pid; wait $pid; echo $?
nproc | grep -c .; free | awk 'NR == 1 { print $1 }'; uptime | grep -c up; df / | awk 'NR == 1 { print $1 }'; mountpoint /proc; nohup true; setsid echo session; flock file echo locked; test -t 0; echo $?

echo "== everything at once"
i=0; while ((i < 200)); do x=$(echo $((i * i))); i=$((i + 1)); done; echo "$x"
for i in $(seq 1 100); do /bin/true || echo failed; done; echo done
time_is=$( { TIMEFORMAT=%R; time sleep 0.1; } 2>&1); [[ $time_is == 0.[1-9]* || $time_is == [1-9].* ]] && echo timed
bash --version | head -n 1; awk --version | head -n 1; ls --version | head -n 1
exit 0

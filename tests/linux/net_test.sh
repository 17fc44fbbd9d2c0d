#!/bin/bash
# TAP: busybox's own servers and clients over lo, in one container.
cd "$(dirname "$0")" || exit 1
number=0
failed=0
log=

check() { # check WHAT PATTERN: a line says it
    number=$((number + 1))
    if grep -qE "$2" <<<"$log"; then
        echo "ok $number - $1"
    else
        echo "not ok $number - $1"
        printf '%s\n' "$log" | tail -n 40 | sed 's/^/# /'
        failed=1
    fi
}

log=$(./bringup.sh -d -t 60 '
mkdir /tmp/www; cd /tmp/www; seq 1 60000 >big; want=$(md5sum <big)
httpd -p 8080 -h /tmp/www
[ "$(wget -q -O - http://127.0.0.1:8080/big | md5sum)" = "$want" ] && echo fetched by IPv4
[ "$(wget -q -O - http://[::1]:8080/big | md5sum)" = "$want" ] && echo fetched by IPv6
for i in 1 2 3 4 5 6; do wget -q -O /tmp/got.$i http://127.7.7.$i:8080/big & done; wait
[ "$(cat /tmp/got.? | wc -c)" = $((6 * $(wc -c <big))) ] && echo six at once
wget -q -O - http://127.0.0.1:8081/ 2>&1 || echo nobody there
nc -l -p 99 </tmp/www/big >/tmp/received & sleep 1
[ "$(nc 127.0.0.1 99 <big | md5sum)" = "$want" ] && wait && cmp /tmp/received big && echo both ways
ifconfig lo | grep -q "inet addr:127.0.0.1" && ip addr | grep -q "inet6 ::1/128" && echo lo is told
netstat -tln | grep -q ":::8080 .*LISTEN" && echo listed')
check "a file of 300 KB by HTTP" 'out: fetched by IPv4$'
check "the same to ::1" 'out: fetched by IPv6$'
check "six clients at once, to addresses of 127.0.0.0/8" 'out: six at once$'
check "a port that nobody listens on is refused" 'out: nobody there$'
check "nc sends a file in both directions at once" 'out: both ways$'
check "ifconfig and ip show lo" 'out: lo is told$'
check "netstat shows who listens" 'out: listed$'
check "the container ends well" 'init: ended code 0'
echo "1..$number"
exit $failed

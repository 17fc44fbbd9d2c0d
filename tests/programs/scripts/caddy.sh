# A static Go program: its collector, its threads and, with a network, its server.
exec 2>&1
cd "$(mktemp -d)" || exit 1
echo "== commands"
caddy version; caddy list-modules | wc -l; printf ':80 {\nrespond "x"\n}\n' >Caddyfile; caddy adapt --config Caddyfile 2>/dev/null; caddy fmt Caddyfile; caddy validate --config Caddyfile 2>&1 | tail -n 1
caddy nonsense 2>&1 | tail -n 1; echo "code $?"; file=$(command -v caddy); od -An -tx1 -N4 "$file"
echo "== collector"
for gogc in 1 50 off; do GOGC=$gogc GOMAXPROCS=4 caddy list-modules --packages | md5sum; done
GODEBUG=gctrace=1 GOGC=1 caddy adapt --config Caddyfile 2>&1 | grep -q '^gc ' && echo collected
echo "== many at once"
for _ in 1 2 3 4 5 6; do caddy list-modules --versions | md5sum & done; wait
echo "== stopped"
(ulimit -c 0; caddy hash-password --plaintext x >/dev/null & sleep 0.2; kill -QUIT $!; wait $! 2>/dev/null; echo "code $?") 2>/dev/null
exit 0

# A server with its client and its benchmark, over TCP and a Unix socket, saved and killed.
#@ seconds 90 300
exec 2>&1
cd "$(mktemp -d)" || exit 1
start() { redis-server --dir "$PWD" --port 6379 --unixsocket "$PWD/socket" --daemonize no --save '' --logfile log "$@" & server=$!; for _ in $(seq 200); do [ "$(redis-cli ping 2>/dev/null)" = PONG ] && return; sleep 0.1; done; echo "does not start"; tail -n 5 log; }
stop() { redis-cli shutdown nosave 2>/dev/null; wait $server; echo "code $?"; }
requests=$([ "$1" = full ] && echo 20000 || echo 2000)
echo "== commands"
start; redis-cli set greeting hello; redis-cli get greeting; redis-cli incr counter; redis-cli incrby counter 41; redis-cli rpush list a b c; redis-cli lrange list 0 -1; redis-cli hset h f v g w; redis-cli hgetall h; redis-cli zadd z 1 one 2 two; redis-cli zrange z 0 -1 withscores
redis-cli -s socket eval 'return redis.call("get", KEYS[1]) .. " from lua"' 1 greeting; redis-cli set brief x px 50; sleep 0.2; redis-cli exists brief; redis-cli -n 1 dbsize; redis-cli nonsense; redis-cli info server | grep -c '^redis_version'
(seq 1 3000 | sed 's/.*/set key& value&/'; echo dbsize) | redis-cli | tail -n 1; redis-cli --scan --pattern 'key29*' | wc -l; redis-cli debug digest | wc -c
echo "== publish and subscribe"
redis-cli subscribe channel >heard & listener=$!; sleep 1; redis-cli publish channel words; sleep 0.5; grep -c words heard; { kill $listener; wait $listener; } 2>/dev/null; echo "code $?"
echo "== benchmark"
redis-benchmark -n "$requests" -c 20 -q -t ping,set,get,lpush,lpop | tr '\r' '\n' | grep -c 'requests per second'; redis-benchmark -s "$PWD/socket" -n "$requests" -c 20 -P 8 -q -t set,get | tr '\r' '\n' | grep -c 'requests per second'
echo "== saved"
redis-cli save; redis-cli bgsave; for _ in $(seq 100); do redis-cli info persistence | grep -q 'rdb_bgsave_in_progress:0' && break; sleep 0.1; done; redis-cli lastsave | wc -l; stop; start; redis-cli get greeting; redis-cli get key77; stop
echo "== killed"
rm -f dump.rdb; start --appendonly yes --appendfsync always; seq 1 500 | sed 's/.*/set a& &/' | redis-cli | sort | uniq -c | tr -s ' '; { kill -9 $server; wait $server; } 2>/dev/null; echo "code $?"; start --appendonly yes; redis-cli dbsize; redis-cli get a500; stop
echo "== refused"
start; redis-cli config set requirepass secret; redis-cli get x; redis-cli -a secret --no-auth-warning set x y; redis-cli -a secret --no-auth-warning shutdown nosave; wait $server; echo "code $?"; redis-cli -p 1 ping; echo "code $?"
exit 0

# A cluster made, loaded by pgbench, killed in the middle and recovered.
#@ seconds 200
#@ full
exec 2>&1
cd "$(mktemp -d)" || exit 1
chmod 777 .; mkdir -m 777 -p /var/run/postgresql
PATH=/usr/lib/postgresql/15/bin:$PATH
as() { setpriv --reuid postgres --regid postgres --clear-groups env HOME="$PWD" "$@"; }
ask() { as psql -X -q -t -A -d postgres -c "$1"; }
wait_ready() { for _ in $(seq 300); do as pg_isready -q && return; sleep 0.1; done; echo "not ready"; tail -n 5 log; }
echo "== initdb"
as initdb -D data -A trust --no-locale -E UTF8 >init.log 2>&1; echo "code $?"; grep -c Success init.log; cat data/PG_VERSION
echo "== start"
as pg_ctl -D data -l log -w -t 60 -o '-c fsync=on -c max_connections=20 -c shared_buffers=16MB' start >/dev/null; echo "code $?"; ask 'select 6 * 7'; ask 'show shared_memory_type'; ask 'show dynamic_shared_memory_type'
echo "== sql"
ask 'create table t (id serial primary key, name text, data jsonb)'; ask "insert into t (name, data) select 'n' || i, jsonb_build_object('i', i) from generate_series(1, 10000) i"; ask "select count(*), sum((data->>'i')::int) from t"; ask 'create index on t (name)'; ask "select id from t where name = 'n777'"; ask 'vacuum analyze t'; ask 'select * from none'
ask 'set max_parallel_workers_per_gather = 2; set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set min_parallel_table_scan_size = 0; select count(distinct length(name)) from t a'
echo "== pgbench"
as pgbench -i -q -s 1 postgres >/dev/null 2>&1; echo "code $?"; as pgbench -n -c 4 -j 2 -t "$([ "$1" = full ] && echo 250 || echo 50)" postgres 2>&1 | grep -E 'failed|actually'; ask 'select count(*) from pgbench_accounts'; ask 'select sum(abalance) = (select sum(bbalance) from pgbench_branches) from pgbench_accounts'
as pgbench -n -c 4 -t 20 -h 127.0.0.1 postgres 2>&1 | grep -E 'actually'
echo "== killed"
as pgbench -n -c 4 -T 20 postgres >/dev/null 2>&1 & sleep 3; pkill -9 -x postgres; wait; sleep 1; as pg_ctl -D data -l log2 -w -t 60 -o '-c max_connections=20' start >/dev/null; echo "code $?"; wait_ready; grep -c 'database system was not properly shut down' log2; ask 'select sum(abalance) = (select sum(bbalance) from pgbench_branches) from pgbench_accounts'; ask 'select count(*) from t'
echo "== dump and stop"
as pg_dump postgres | grep -c '^COPY'; as pg_ctl -D data -m fast -w stop >/dev/null; echo "code $?"; as pg_controldata data | grep -c 'shut down'; as pg_checksums -D data --check 2>&1 | tail -n 1
exit 0

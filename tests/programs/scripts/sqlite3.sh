# A database under load, a writer that is killed in the middle, and what is left of it.
#@ seconds 90 300
exec 2>&1
cd "$(mktemp -d)" || exit 1
rows=$([ "$1" = full ] && echo 100000 || echo 20000)
echo "== insert and ask"
sqlite3 a.db <<END
pragma journal_mode = delete;
create table t (id integer primary key, name text, value real); create index names on t (name);
begin; with recursive n (i) as (values (1) union all select i + 1 from n where i < $rows)
insert into t select i, printf('name%07d', (i * 7919) % $rows), i / 3.0 from n; commit;
select count(*), printf('%.3f', sum(value)) from t; select name from t order by name limit 3;
select count(*) from t where name between 'name0000100' and 'name0000200';
update t set value = -value where id % 2 = 0; delete from t where id % 5 = 0; vacuum; analyze;
select count(*), printf('%.3f', sum(value)) from t; explain query plan select * from t where name = 'x'; pragma integrity_check;
END
echo "== many transactions"
for mode in delete wal truncate memory; do
    { echo "pragma journal_mode = $mode; create table if not exists m (x);"; for i in $(seq 100); do echo "insert into m values ($i);"; done; echo "select count(*), sum(x) from m;"; } | sqlite3 modes.db
done
echo "== killed writers"
for mode in delete wal; do
    rm -f k.db*; sqlite3 k.db "pragma journal_mode = $mode; create table k (i integer primary key, j int, check (i = j));"
    for pause in 0.1 0.2 0.3; do
        awk 'BEGIN { for (;;) { print "begin; insert into k (j) select coalesce(max(i), 0) + 1 from k; insert into k (j) select max(i) + 1 from k; commit;" } }' </dev/null 2>/dev/null | sqlite3 k.db >/dev/null 2>&1 &
        sleep $pause; pkill -9 -x sqlite3; wait
        sqlite3 k.db "pragma integrity_check; select count(*) % 2, count(*) = max(i) from k;"
    done
    sqlite3 k.db "select count(*) > 0 from k"
done 2>/dev/null
echo "== locks between processes"
sqlite3 l.db "create table l (x)"; for i in 1 2 3 4; do (for j in $(seq 10); do sqlite3 -cmd ".timeout 60000" l.db "insert into l values ($i * 100 + $j)"; done) & done; wait; sqlite3 l.db "select count(*), sum(x) from l"
echo "== busy"
(echo "begin exclusive; select 'held';"; sleep 1) | sqlite3 l.db & sleep 0.5; sqlite3 l.db "insert into l values (0)"; echo "code $?"; wait
echo "== dump and csv"
sqlite3 l.db .dump | sort | md5sum; sqlite3 -csv -header l.db "select x, x * 2 as y from l order by x limit 3"; printf '1,a\n2,b\n' >in.csv; sqlite3 -csv c.db ".import in.csv c" ".schema" "select * from c"; sqlite3 c.db .dump | sqlite3 d.db; sqlite3 d.db "select count(*) from c"
echo "== full text and json"
sqlite3 :memory: "create virtual table f using fts5 (t); insert into f values ('the quick fox'), ('lazy dog'); select t from f where f match 'quick';" "select json_extract('{\"a\":[1,2]}', '\$.a[1]')" "select group_concat(value, '-') from generate_series(1, 5)"
exit 0

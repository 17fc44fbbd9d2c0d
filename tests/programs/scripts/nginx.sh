# A web server with several workers, asked by curl and under the load of wrk.
#@ seconds 60
exec 2>&1
cd "$(mktemp -d)" || exit 1
chmod 755 .; mkdir -p www/sub logs /var/lib/nginx /var/log/nginx
echo index >www/index.html; head -c 1000000 /dev/zero | tr '\0' z >www/large; for i in $(seq 50); do echo "$i" >www/sub/$i; done
cat >nginx.conf <<END
worker_processes 2; pid $PWD/pid; error_log $PWD/logs/error; user www-data;
events { worker_connections 256; }
http { access_log $PWD/logs/access; sendfile on; tcp_nopush on; gzip on; gzip_types *; root $PWD/www; client_body_temp_path $PWD/body; proxy_temp_path $PWD/proxy; fastcgi_temp_path $PWD/f; uwsgi_temp_path $PWD/u; scgi_temp_path $PWD/s;
server { listen 127.0.0.1:8080; listen unix:$PWD/socket; location /old { return 301 /new; } location /list { alias $PWD/www/sub; autoindex on; } location /proxy/ { proxy_pass http://127.0.0.1:8081/; } location /denied { deny all; } }
server { listen 127.0.0.1:8081; location / { return 200 "behind \$http_x_test\n"; } } }
END
echo "== start"
nginx -t -c "$PWD/nginx.conf" 2>&1 | tail -n 1 | sed 's/.*test/test/'; nginx -c "$PWD/nginx.conf"; echo "code $?"; for _ in $(seq 50); do [ -s pid ] && break; sleep 0.1; done; ps -o comm= -p "$(cat pid)"; pgrep -P "$(cat pid)" | wc -l; ps -o user= -p "$(pgrep -P "$(cat pid)" | head -n 1)"
echo "== requests"
curl -s http://127.0.0.1:8080/; curl -s --unix-socket socket http://x/sub/7; curl -s -o /dev/null -w '%{http_code} %{size_download}\n' http://127.0.0.1:8080/large; curl -s http://127.0.0.1:8080/large | md5sum; curl -s --compressed http://127.0.0.1:8080/large | wc -c; curl -s -r 10-19 http://127.0.0.1:8080/large; echo
curl -s -o /dev/null -w '%{http_code}\n' http://127.0.0.1:8080/none; curl -s -o /dev/null -w '%{http_code} %{redirect_url}\n' http://127.0.0.1:8080/old; curl -s -o /dev/null -w '%{http_code}\n' http://127.0.0.1:8080/denied; curl -s -H 'X-Test: proxy' http://127.0.0.1:8080/proxy/; curl -s http://127.0.0.1:8080/list/ | grep -c 'href="[0-9]'; curl -s -I http://127.0.0.1:8080/ | grep -ci '^server: nginx'
for i in $(seq 20); do curl -s "http://127.0.0.1:8080/sub/$i" & done | sort -n | tr '\n' ' '; echo; curl -s 'http://127.0.0.1:8080/sub/[1-50]' | wc -l; curl -s http://127.0.0.1:9/; echo "code $?"
echo "== load"
wrk -t2 -c16 -d2s http://127.0.0.1:8080/ | grep -cE '^Requests/sec: +[0-9]*[1-9]'; wrk -t1 -c4 -d1s http://127.0.0.1:8080/large | grep -c 'Socket errors\|Non-2xx'
echo "== reload and stop"
sed -i 's/behind/after/' nginx.conf; nginx -c "$PWD/nginx.conf" -s reload 2>/dev/null; sleep 1; curl -s http://127.0.0.1:8081/; pkill -9 -f 'nginx: worker' -n; sleep 0.5; curl -s http://127.0.0.1:8080/; nginx -c "$PWD/nginx.conf" -s quit 2>/dev/null; for _ in $(seq 100); do [ -e pid ] || break; sleep 0.1; done; ls pid; curl -s http://127.0.0.1:8080/; echo "code $?"; grep -c . logs/access >/dev/null && echo logged; grep -c 'emerg\|alert' logs/error
exit 0

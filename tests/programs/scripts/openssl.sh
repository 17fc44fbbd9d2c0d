# Digests, ciphers, keys, certificates.
exec 2>&1
cd "$(mktemp -d)" || exit 1
head -c 300000 /dev/zero >zeros
echo "== digests"
for digest in md5 sha1 sha256 sha512 sha3-256 blake2b512; do openssl dgst -$digest zeros; done; openssl dgst -sha256 -hmac key zeros
echo "== ciphers"
for cipher in aes-128-cbc aes-256-ctr chacha20 camellia-256-cbc; do openssl enc -$cipher -pbkdf2 -pass pass:x -S 0011223344556677 -in zeros -out coded && openssl enc -d -$cipher -pbkdf2 -pass pass:x -S 0011223344556677 -in coded | cmp - zeros && md5sum <coded; done
echo "== keys"
openssl genrsa -out rsa.pem 2048 2>/dev/null; openssl rsa -in rsa.pem -check -noout; echo text >text
openssl dgst -sha256 -sign rsa.pem -out signature text; openssl rsa -in rsa.pem -pubout -out public.pem 2>/dev/null; openssl dgst -sha256 -verify public.pem -signature signature text; echo x >>text; openssl dgst -sha256 -verify public.pem -signature signature text 2>/dev/null
openssl ecparam -name prime256v1 -genkey -noout -out ec.pem; openssl ec -in ec.pem -noout -text 2>/dev/null | grep NIST; openssl genpkey -algorithm ed25519 | openssl pkey -noout -text | head -n 1
echo "== certificates"
openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -subj /CN=authority -days 10 2>/dev/null; openssl req -newkey rsa:2048 -nodes -keyout s.key -out s.csr -subj /CN=server 2>/dev/null
openssl x509 -req -in s.csr -CA ca.pem -CAkey ca.key -CAcreateserial -out s.pem -days 5 2>/dev/null; openssl verify -CAfile ca.pem s.pem; openssl x509 -in s.pem -noout -subject -issuer; openssl verify s.pem 2>&1 | grep -c error
echo "== random"
openssl rand -hex 16 | wc -c; [ "$(openssl rand -hex 16)" != "$(openssl rand -hex 16)" ] && echo differs; openssl prime 1000003; openssl prime -generate -bits 64 | grep -c .
echo "== speed"
openssl speed -seconds 1 -bytes 1024 sha256 2>/dev/null | grep -c '^sha256'; openssl speed -seconds 1 -multi 2 -bytes 1024 -evp aes-128-gcm 2>/dev/null | grep -c -i '^aes-128-gcm'
exit 0

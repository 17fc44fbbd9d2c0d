# Filters over a few documents, large and small, and what is wrong with them.
exec 2>&1
cd "$(mktemp -d)" || exit 1
echo "== filters"
jq -n '[range(10)] | map(. * .) | {sum: add, even: map(select(. % 2 == 0)), last: .[-1]}'
echo '{"a":{"b":[1,"two",null,true,{"c":3.25}]}}' | jq -c '[paths(scalars) | map(tostring) | join(".")], (.. | numbers)'
echo '[{"n":"x","v":3},{"n":"y","v":1},{"n":"x","v":5}]' | jq -c 'group_by(.n) | map({(.[0].n): map(.v) | add}) | add, (.|length)'
jq -nr '"a,b,c" | split(",") | @csv, @tsv, @html, @base64, @sh, (.|@json)'; jq -n '"2015-03-05T23:51:47Z" | fromdate | todate'
jq -n 'def fac: if . < 2 then 1 else . * (. - 1 | fac) end; 20 | fac'; jq -cn '0 | [limit(5; recurse(. * 2 + 1))]' ; jq -n '"test" | test("^t.s"), sub("t"; "T"), ascii_upcase'
echo "== large"
jq -n '[range(4000) | {id: ., name: "item \(.)", tags: [. % 7, . % 11]}]' >large; wc -l <large
jq 'map(select(.tags[0] == 3)) | length' large; jq -r '.[] | .name' large | md5sum; jq -c '.[]' large | jq -s 'length'; jq --stream -c 'select(length == 2) | .[1]' large | wc -l
echo "== errors"
echo '{bad' | jq .; echo "code $?"; echo '1' | jq '.a'; echo "code $?"; jq . none; echo "code $?"; jq '{' <large; echo "code $?"; echo null | jq -e .; echo "code $?"
exit 0

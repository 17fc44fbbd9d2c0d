# How the tests of the oak command run it and judge it; needs $oak and $work. Sourced.

# result CODE SENTENCE: one TAP line.
result() {
    count=$((count + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $count - $2"
    else
        echo "not ok $count - $2"
        failed=1
    fi
}

# run_oak ARGUMENTS...: out, err and code of a command; it has 20 seconds unless LIMIT says otherwise.
run_oak() {
    timeout -k 1 "${LIMIT:-20}" "$oak" "$@" >"$work/out" 2>"$work/err"
    code=$?
    out=$(cat "$work/out")
    err=$(cat "$work/err")
}

# expect SENTENCE CODE OUT-PATTERN [ERR-PATTERN]: judges the last run_oak.
expect() {
    local good=0
    [ "$code" = "$2" ] || good=1
    # shellcheck disable=SC2254
    case "$out" in
    $3) ;;
    *) good=1 ;;
    esac
    # shellcheck disable=SC2254
    case "$err" in
    ${4-}) ;;
    *) good=1 ;;
    esac
    result $good "$1"
    if [ $good -ne 0 ]; then
        echo "  code: $code, expected $2"
        echo "  out: $out" | head -8
        echo "  err: $err" | head -8
    fi
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        sleep 0.05
    done
}

status_value() {
    timeout -k 1 10 "$oak" machine status | awk -v key="$1" '$1 == key { print $2 }'
}

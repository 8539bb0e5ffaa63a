#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# redis-cli and redis-benchmark, as people use them, against a real server.
set -u -o pipefail

for tool in redis-cli redis-benchmark; do
    command -v $tool >/dev/null || {
        echo "$tool is not installed"
        exit 77
    }
done
[ -x "${PREFIXCACHED:-}" ] || {
    echo "PREFIXCACHED names no program: ${PREFIXCACHED:-}"
    exit 77
}

directory=$(mktemp -d "${PREFIXCACHE_TMP:-/tmp}/tools.XXXXXX")
failures=0
server=

finish() {
    if [ -n "$server" ]; then
        kill "$server" 2>/dev/null
        wait "$server" || failures=$((failures + 1))
    fi
    [ "$failures" -eq 0 ] || {
        cat "$directory/stderr"
        echo "$failures failures"
        exit 1
    }
    rm -rf "$directory"
}
trap finish EXIT

mkfifo "$directory/ready"
"$PREFIXCACHED" --set listen.data=127.0.0.1:0 --set listen.http=127.0.0.1:0 \
    --set dram.size=256MiB --set lease.ms=0 \
    >"$directory/ready" 2>"$directory/stderr" &
server=$!
read -r -t 30 ready <"$directory/ready"
port=${ready#*data=127.0.0.1:}
port=${port%% *}
[ "$port" -gt 0 ] || {
    echo "no ready line: $ready"
    failures=1
    exit
}

# expect SENTENCE WANTED COMMAND...: what the command prints.
expect() {
    local sentence=$1 wanted=$2 got
    shift 2
    got=$("$@" 2>&1)
    if [ "$got" = "$wanted" ]; then
        echo "ok: $sentence"
    else
        echo "FAILED: $sentence: got '${got:0:200}', expected '${wanted:0:200}'"
        failures=$((failures + 1))
    fi
}

cli() {
    timeout 60 redis-cli -p "$port" "$@"
}

counter() {
    cli INFO | tr -d '\r' | sed -n "s/^$1://p"
}

flush() {
    cli FLUSHALL >/dev/null
}

put_and_compare() {
    head -c "$1" /dev/urandom >"$directory/value"
    cli -x SET file <"$directory/value" >/dev/null &&
        cli --no-raw STRLEN file &&
        cli GET file >"$directory/got" &&
        head -c "$1" "$directory/got" | cmp - "$directory/value" &&
        echo same
}

expect "redis-cli pings" PONG cli PING
expect "redis-cli puts" OK cli SET k "a value"
expect "redis-cli gets" "a value" cli GET k
expect "redis-cli speaks RESP3" "a value" cli -3 GET k
expect "redis-cli selects" "" cli -n 5 GET k
expect "redis-cli sees an error" \
    "ERR wrong number of arguments for 'get' command" cli GET
expect "redis-cli reads a file of 5 MiB" "(integer) 5242880
same" put_and_compare 5242880
expect "redis-cli reads a file of one byte" "(integer) 1
same" put_and_compare 1
expect "redis-cli scans" "file
k" eval 'cli --scan | sort'
expect "redis-cli scans by pattern" k cli --scan --pattern 'k*'
expect "redis-cli takes several commands" "OK
2
1" eval 'printf "MSET a 1 b 2\nGET b\nDEL a\n" | cli'
expect "redis-cli asks for all documents" 1 \
    eval 'cli COMMAND DOCS set | grep -c "Put a value"'
expect "redis-cli finds a cluster of one" 1 \
    eval "redis-cli --cluster check 127.0.0.1:$port |
        grep -c 'All 16384 slots covered'"
expect "redis-cli follows a cluster" "OK
v" eval 'printf "SET k v\nGET k\n" | cli -c'
flush

# benchmark SENTENCE COUNTER MOST ARGUMENTS...: it ends well, says no error, and
# the counter grows by MOST at least.
benchmark() {
    local sentence=$1 name=$2 most=$3 before after output
    shift 3
    before=$(counter "$name")
    if ! output=$(timeout 120 redis-benchmark -p "$port" -q "$@" 2>&1) ||
        [[ $output == *rror* ]]; then
        echo "FAILED: $sentence: ${output:0:400}"
        failures=$((failures + 1))
        return
    fi
    after=$(counter "$name")
    if [ $((after - before)) -lt "$most" ]; then
        echo "FAILED: $sentence: $name grew by $((after - before)), not $most"
        failures=$((failures + 1))
        return
    fi
    echo "ok: $sentence"
}

benchmark "redis-benchmark sets and gets" resp_put 5000 -t set,get -n 5000 -r 1000
benchmark "redis-benchmark pings and sets several" resp_put 2000 -t ping_mbulk,mset -n 2000 -r 1000
benchmark "redis-benchmark pipelines" resp_get 20000 -t set,get -n 20000 -P 32 -r 1000
benchmark "redis-benchmark pipelines deep" resp_get 20000 -t set,get -n 20000 -P 1000 -c 5
benchmark "redis-benchmark moves 64 KiB" resp_get 2000 -t set,get -n 2000 -d 65536 -c 20
benchmark "redis-benchmark pipelines 64 KiB" resp_get 2000 -t set,get -n 2000 -d 65536 -P 16 -c 4
benchmark "redis-benchmark moves 1 MiB" resp_get 200 -t set,get -n 200 -d 1048576 -c 8
benchmark "redis-benchmark pipelines 1 MiB" resp_get 200 -t set,get -n 200 -d 1048576 -P 4 -c 4
benchmark "redis-benchmark sets several of 64 KiB" resp_put 100 -t mset -n 100 -d 65536 -c 4
cli MSET k1 v1 k2 v2 >/dev/null
benchmark "redis-benchmark gets several" resp_get 5000 -n 5000 mget k1 k2 nothing
benchmark "redis-benchmark over RESP3" resp_get 2000 -3 -t set,get -n 2000

expect "nothing was lost on the way" 0 counter puts_busy
expect "the server still answers" PONG cli PING

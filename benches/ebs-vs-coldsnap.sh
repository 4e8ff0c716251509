#!/bin/bash
# Compares the upload of a disk to EBS by `goldsmith publish ami` with that by coldsnap: wall time, CPU (user + system), peak memory.
#
#   benches/ebs-vs-coldsnap.sh [IMAGE]
#
# Without IMAGE it makes a raw disk of 1 GiB (SIZE_MIB) that is full of data, so that both send every block. Both sides run in turn
# (A B A B ...) against the same server, with the same number of connections; the median of RUNS (3) counts. goldsmith also registers
# the AMI, which is some calls more. LATENCIES (0 and 100) are added to every answer, in milliseconds: at 100, 64 connections send 640
# blocks a second at most.
#
# GOLDSMITH is the program (default: target/release/goldsmith of this checkout), COLDSNAP the other (default: installed into
# target/coldsnap), SERVER is `own` (benches/ebs-server.rs, which is no bottleneck) or `moto`, which keeps and checks the blocks but
# takes no more than it can, CONNECTIONS the connections of both (64; `auto`: goldsmith finds out how many help, coldsnap takes its 64).
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
goldsmith=${GOLDSMITH:-$here/target/release/goldsmith}
coldsnap=${COLDSNAP:-$here/target/coldsnap/bin/coldsnap}
runs=${RUNS:-3}
connections=${CONNECTIONS:-64}
server=${SERVER:-own}
latencies=${LATENCIES:-0 100}
size=${SIZE_MIB:-1024}

[ -x "$goldsmith" ] || { echo "ebs-vs-coldsnap.sh: no $goldsmith: cargo build --release, or set GOLDSMITH" >&2; exit 1; }
if [ ! -x "$coldsnap" ] && [ "$coldsnap" != none ]; then
    cargo install --locked --root "$here/target/coldsnap" --version 0.12.0 coldsnap
fi
[ -x /usr/bin/time ] || { echo "ebs-vs-coldsnap.sh: /usr/bin/time is missing: apt-get install time" >&2; exit 1; }

work=$(mktemp -d)
trap 'kill "${pid:-}" 2> /dev/null || true; rm -rf "$work"' EXIT
cd "$work"

if [ $# -gt 0 ]; then
    image=$(cd "$OLDPWD" && realpath "$1")
else
    image=$work/disk.raw
    head -c "$((size << 20))" /dev/urandom > "$image"
fi

export AWS_ACCESS_KEY_ID=testing AWS_SECRET_ACCESS_KEY=testing AWS_REGION=us-east-1 AWS_EC2_METADATA_DISABLED=true
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
export GOLDSMITH_STATE_DIR=$work/state GOLDSMITH_CACHE_DIR=$work/cache

[ "$server" != own ] || rustc -O --edition 2024 "$here/benches/ebs-server.rs" -o "$work/ebs-server"

own_connections=(--connections "$connections")
if [ "$connections" = auto ]; then own_connections=(); connections=64; fi

# Starts a server whose answers come $1 ms late; sets url and pid.
start() {
    mkfifo stdin."$1"
    if [ "$server" = own ]; then
        ./ebs-server "$1" < stdin."$1" > port."$1" &
    else
        "$here/target/peers/bin/python" "$here/tests/it/aws/serve_moto.py" < stdin."$1" > port."$1" 2> /dev/null &
    fi
    pid=$!
    exec 9> stdin."$1"
    until [ -s port."$1" ]; do sleep 0.1; done
    url=http://127.0.0.1:$(head -1 port."$1")
}

stop() {
    exec 9>&-
    wait "$pid" || true
}

# Appends "seconds cpu-seconds KiB" of a command to file $1.
measure() {
    local out=$1
    shift
    /usr/bin/time -o took -f '%e %U %S %M' "$@" > /dev/null 2> said || { cat said >&2; exit 1; }
    awk '{ print $1, $2 + $3, $4 }' took >> "$out"
}

median() { awk -v n="$2" '{ print $n }' "$1" | sort -n | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }'; }

blocks=$(( $(stat -c %s "$image") / 524288 ))
printf '%-10s %8s %10s %10s %10s %12s\n' tool latency seconds blocks/s cpu-s peak-MiB
for latency in $latencies; do
    if [ "$server" = moto ] && [ "$latency" != 0 ]; then
        echo "moto answers at once: SERVER=own for a latency" >&2
        continue
    fi
    start "$latency"
    for run in $(seq "$runs"); do
        measure goldsmith."$latency" "$goldsmith" publish ami "$image" --name "bench-$latency-$run" --quiet \
            ${own_connections[@]+"${own_connections[@]}"} --endpoint-url "$url"
        if [ "$coldsnap" != none ]; then
            measure coldsnap."$latency" "$coldsnap" --endpoint "$url" upload --no-progress --workers "$connections" "$image"
        fi
    done
    stop
    for tool in goldsmith coldsnap; do
        [ -f "$tool.$latency" ] || continue
        seconds=$(median "$tool.$latency" 1)
        printf '%-10s %8s %10s %10s %10s %12s\n' "$tool" "$latency" "$seconds" \
            "$(echo "scale=1; $blocks / $seconds" | bc)" "$(median "$tool.$latency" 2)" \
            "$(( $(median "$tool.$latency" 3) / 1024 ))"
    done
done

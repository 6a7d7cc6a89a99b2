#!/usr/bin/env bash
# Runs two nodes through a network of 100 ms +- 50 that loses 5 % of its packets, and checks order, no loss, no doubling.
#
# Needs root, `ip` and `tc` of iproute2, network namespaces and the kernel's module sch_netem. Where something is missing it
# says what, and ends with status 3. `--loss 30` drops so many percent by nftables instead, where the kernel has no sch_netem, without
# delay; `--plain` leaves the network as it is: a trial of this script itself.
set -euo pipefail
cd "$(dirname "$0")/../.."

# Three heartbeats are the longest that a connection may bring nothing. TCP sends a lost packet again after a time that doubles:
# one of twenty lost takes seconds, three of ten a minute now and then, and as little as five of them go through in a second.
loss=5 heartbeat_ms=5000 messages=20000
[ "${1:-}" != --loss ] || { loss="${2:-5}" heartbeat_ms=30000 messages=2000; }

missing() {
    echo "netem: not run: $1" >&2
    exit 3
}

[ "$(id -u)" = 0 ] || missing "network namespaces need root"
command -v ip >/dev/null || missing "the program ip is not here (package iproute2)"
command -v tc >/dev/null || missing "the program tc is not here (package iproute2)"

here="iris-here-$$" there="iris-there-$$" directory="$(mktemp -d)"
server=""
cleanup() {
    exec 9>&- || true
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    ip netns del "$here" 2>/dev/null || true
    ip netns del "$there" 2>/dev/null || true
    rm -rf "$directory"
}
trap cleanup EXIT

ip netns add "$here" 2>/dev/null || missing "this kernel or container makes no network namespaces"
ip netns add "$there"
ip -n "$here" link add veth type veth peer name veth netns "$there" || missing "this kernel has no veth devices"
number=1
for space in "$here" "$there"; do
    ip -n "$space" addr add "10.203.0.$number/24" dev veth
    ip -n "$space" link set lo up
    # Packets as small as a network's: the kernel would hand 64 KiB from one end to the other at once.
    ip -n "$space" link set veth mtu 1280 gso_max_segs 1 up
    if [ "${1:-}" = --loss ]; then
        command -v nft >/dev/null || missing "the program nft is not here (package nftables)"
        for rule in "add table inet lossy" "add chain inet lossy input { type filter hook input priority 0; }" \
            "add rule inet lossy input iifname veth numgen random mod 100 < $loss counter drop"; do
            ip netns exec "$space" nft "$rule"
        done
    elif [ "${1:-}" != --plain ]; then
        # In both directions: a round trip takes 200 ms, and of twenty packets one is lost each way.
        tc -n "$space" qdisc add dev veth root netem delay 100ms 50ms loss 5% 2>/dev/null ||
            missing "this kernel has no netem (module sch_netem)"
    fi
    number=$((number + 1))
done

.venv/bin/python -m iris certs init "$directory" server client >/dev/null
mkfifo "$directory/open"
ip netns exec "$there" .venv/bin/python tests/netem/node.py serve 10.203.0.2:9000 "$directory" "$heartbeat_ms" <"$directory/open" &
server=$!
# The server ends when this end of its standard input is closed.
exec 9>"$directory/open"
ip netns exec "$here" timeout 600 .venv/bin/python tests/netem/node.py call 10.203.0.2:9000 "$directory" "$heartbeat_ms" "$messages"
[ "${1:-}" != --loss ] || ip netns exec "$there" nft list table inet lossy | grep -o 'packets [0-9]*' | sed 's/^/netem: dropped /'
echo "netem: passed"

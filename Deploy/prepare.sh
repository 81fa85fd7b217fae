#!/usr/bin/env bash
# Makes what a private swarm begins with: Deploy/prepare.sh FOLDER HOST [PORT]
#
# FOLDER/bootstrap.key: the bootstrap peer's identity, which its address names. FOLDER/swarm: that address, at
# HOST (an IPv4 or IPv6 address, or a DNS name) and PORT (31340), for --swarm of nodes and clients. Files that are there stay.
set -euo pipefail

fail() {
  printf 'prepare: %s\n' "$*" >&2
  exit 1
}

[ $# -ge 2 ] || fail "usage: Deploy/prepare.sh FOLDER HOST [PORT]"
folder=$1 host=$2 port=${3:-31340}
command=${PETALS_E2E:-petals-e2e}
command -v "$command" >/dev/null || fail "there is no $command: make install, or name it with PETALS_E2E"
mkdir -p "$folder"
umask 077

# The peer says its name when it has started; it is ended then.
coproc PEER { exec "$command" swarm bootstrap --swarm-port 0 --identity-file "$folder/bootstrap.key" --json; }
process=$PEER_PID
IFS= read -r line <&"${PEER[0]}" || fail "the peer did not start: see above"
kill "$process"
wait "$process" 2>/dev/null || true
name=$(sed -nE 's/.*\/p2p\/([1-9A-HJ-NP-Za-km-z]+).*/\1/p' <<<"$line")
[ -n "$name" ] || fail "the peer does not say its name: $line"

case $host in
  *:*) family=ip6 ;;
  *[!0-9.]*) family=dns4 ;;
  *) family=ip4 ;;
esac
printf '/%s/%s/tcp/%s/p2p/%s\n' "$family" "$host" "$port" "$name" >"$folder/swarm"
cat "$folder/swarm"

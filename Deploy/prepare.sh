#!/usr/bin/env bash
# Makes what a private swarm begins with: Deploy/prepare.sh [--owner UID[:GID]] FOLDER HOST [PORT]
#
# FOLDER/bootstrap.key: the bootstrap peer's identity, which its address names. FOLDER/swarm: that address, at
# HOST (an IPv4 or IPv6 address, or a DNS name) and PORT (31340), for --swarm of nodes and clients. Files that are there
# stay; an address that is there has to be the same. --owner gives the key to another user, as root: the image's is
# 10001, and engines hand files of secrets to containers as they are.
set -euo pipefail

fail() {
  printf 'prepare: %s\n' "$*" >&2
  exit 1
}

usage="usage: Deploy/prepare.sh [--owner UID[:GID]] FOLDER HOST [PORT]"
owner=
if [ "${1:-}" = --owner ]; then
  owner=${2:?$usage}
  shift 2
fi
[ $# -ge 2 ] || fail "$usage"
folder=$1 host=$2 port=${3:-31340}
key=$folder/bootstrap.key
command=${PETALS_E2E:-petals-e2e}
command -v "$command" >/dev/null || fail "there is no $command: make install, or name it with PETALS_E2E"
umask 077
mkdir -p "$folder"

# The peer says its name when it has started; it is ended then.
coproc PEER { exec "$command" swarm bootstrap --swarm-port 0 --identity-file "$key" --json; }
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
address=/$family/$host/tcp/$port/p2p/$name
if [ -e "$folder/swarm" ]; then
  there=$(cat "$folder/swarm")
  [ "$there" = "$address" ] ||
    fail "$folder/swarm has $there, not $address, which members of the swarm may know: remove it first"
else
  printf '%s\n' "$address" >"$folder/swarm"
fi
if [ -n "$owner" ]; then
  chown "$owner" "$key" || fail "the key cannot be given to $owner: run this with sudo, or in podman unshare"
fi
cat "$folder/swarm"

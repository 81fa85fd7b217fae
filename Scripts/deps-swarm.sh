#!/usr/bin/env bash
# Fetches p2pd, the libp2p daemon that hivemind ships, which a swarm's nodes and clients talk to.
#
# It comes out of a wheel of hivemind 1.1.12 on PyPI, whose checksum is pinned here, as is the daemon's
# own. It goes where the library looks for it: $PETALS_P2PD, or petals-e2e/p2pd in the user's cache.
# Does nothing when it is there.
set -euo pipefail

version=1.1.12

fail() {
  printf 'deps-swarm: %s\n' "$*" >&2
  exit 1
}

case "$(uname -s)-$(uname -m)" in
  Linux-x86_64)
    platform=manylinux2014_x86_64
    wheel=acb8f0cf2cdb085259feb1c0a092c530f1953287cbfa4a1ab5e14e8c65359a2c
    daemon=42f8f48e62583b97cdba3c31439c08029fb2b9fc506b5bdd82c46b7cc1d279d8
    ;;
  Linux-aarch64)
    platform=manylinux2014_aarch64
    wheel=e56231271864c93705c130ba500a0f5e1e035f8bc8ed0cd93fdd1ecfe697418e
    daemon=046f18480c785a84bdf139d7486086d379397ca106cb2f0191598da32f81447a
    ;;
  Darwin-arm64)
    platform=macosx_11_0_arm64
    wheel=12b330e30de576626fb57f5b148fbc4b3ef03641e8768499283dacbe32a1e813
    daemon=0404981a9c2b7cab5425ead2633d006c61c2c7ec85ac564ef69413ed470e65bd
    ;;
  Darwin-x86_64)
    platform=macosx_10_9_x86_64
    wheel=2c4d094acc3aa6dd84509da157732f21010e83db24d54dcc57df70b25f5e879a
    daemon=fe00f9d79e8e4e4c007144d19da10b706c84187b3fb84de170f4664c91ecda80
    ;;
  *) fail "hivemind $version has no p2pd for $(uname -s) on $(uname -m); build it and set PETALS_P2PD" ;;
esac

target=${PETALS_P2PD:-${XDG_CACHE_HOME:-$HOME/.cache}/petals-e2e/p2pd}

checksum() { python3 -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest())' "$1"; }

command -v python3 >/dev/null || fail "python3 is missing, which fetches the wheel; apt-get install python3"
if [ -x "$target" ] && [ "$(checksum "$target")" = "$daemon" ]; then exit 0; fi

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
printf 'hivemind==%s --hash=sha256:%s\n' "$version" "$wheel" >"$folder/requirements.txt"
python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
  --platform "$platform" --require-hashes --requirement "$folder/requirements.txt" \
  --dest "$folder" ||
  fail "the wheel of hivemind $version cannot be fetched; check the network and that pip is installed (apt-get install python3-pip)"
python3 - "$folder" <<'EXTRACT' || fail "the wheel of hivemind $version holds no p2pd"
import pathlib, sys, zipfile

folder = pathlib.Path(sys.argv[1])
(wheel,) = folder.glob("*.whl")
(folder / "p2pd").write_bytes(zipfile.ZipFile(wheel).read("hivemind/hivemind_cli/p2pd"))
EXTRACT
found=$(checksum "$folder/p2pd")
[ "$found" = "$daemon" ] || fail "p2pd has the checksum $found, but $daemon is expected"
chmod 755 "$folder/p2pd"
mkdir -p "$(dirname "$target")"
# In two steps, so that a daemon that runs keeps its file.
cp "$folder/p2pd" "$target.new"
mv "$target.new" "$target"
printf 'deps-swarm: p2pd of hivemind %s is %s\n' "$version" "$target"

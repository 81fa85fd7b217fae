#!/bin/sh
# Regenerates Generated/ from Protos/. Run it from anywhere after a change to a .proto file;
# it needs protoc (apt: protobuf-compiler, brew: protobuf) and commits to no version of it.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root"
command -v protoc >/dev/null || { echo "protoc is missing: install protobuf-compiler" >&2; exit 1; }
swift build --product protoc-gen-swift
bin=$(swift build --show-bin-path)
rm -rf "$here/Generated"
mkdir -p "$here/Generated"
protoc \
  --proto_path="$here/Protos" \
  --plugin="$bin/protoc-gen-swift" \
  --swift_opt=Visibility=Package,FileNaming=DropPath,UseAccessLevelOnImports=true \
  --swift_out="$here/Generated" \
  p2pd_control.proto swarm_dht.proto swarm_runtime.proto

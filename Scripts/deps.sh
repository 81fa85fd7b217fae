#!/usr/bin/env bash
# Installs the system libraries that are missing and checks the Swift version.
# Does nothing when all is there. Arguments name packages of Debian to install in their place.
set -euo pipefail

packages=(libsecp256k1-dev libssl-dev libblas-dev libopenblas0-pthread libsqlite3-dev
  zlib1g-dev libbrotli-dev)
minimum_swift="6.2"

fail() {
  printf 'deps: %s\n' "$*" >&2
  exit 1
}

check_swift() {
  command -v swift >/dev/null ||
    fail "swift was not found; install Swift $minimum_swift or newer from https://www.swift.org/install"
  local text version
  text=$(swift --version 2>/dev/null) || fail "\`swift --version\` fails; reinstall the toolchain"
  version=$(sed -nE 's/.*Swift version ([0-9]+\.[0-9]+).*/\1/p' <<<"$text" | head -n 1)
  [ -n "$version" ] || fail "cannot read a version from \`swift --version\`: $text"
  local oldest
  oldest=$(printf '%s\n%s\n' "$minimum_swift" "$version" | sort -V | head -n 1)
  [ "$oldest" = "$minimum_swift" ] ||
    fail "Swift $version is too old; this package needs $minimum_swift or newer (https://www.swift.org/install)"
}

is_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

install_with_apt() {
  local missing=() package
  for package in "${packages[@]}"; do
    is_installed "$package" || missing+=("$package")
  done
  [ "${#missing[@]}" -gt 0 ] || return 0

  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null ||
      fail "missing: ${missing[*]}; install them as root: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  printf 'deps: installing %s\n' "${missing[*]}"
  "${as_root[@]}" apt-get update -qq || fail "apt-get update fails; check the network and the package sources"
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" ||
    fail "apt-get could not install ${missing[*]}"
}

explain_macos() {
  local missing=() formula
  for formula in openblas secp256k1 openssl@3 brotli; do
    brew list --versions "$formula" >/dev/null 2>&1 || missing+=("$formula")
  done
  [ "${#missing[@]}" -eq 0 ] || fail "missing; run: brew install ${missing[*]}"
}

# Systems without apt: say what is missing, and nothing when all is there.
check_with_pkg_config() {
  local missing=() library
  command -v pkg-config >/dev/null || fail "install pkg-config, with which Swift finds libraries"
  for library in libsecp256k1 libcrypto blas sqlite3 zlib; do
    pkg-config --exists "$library" || missing+=("$library")
  done
  [ "${#missing[@]}" -eq 0 ] ||
    fail "pkg-config does not know ${missing[*]}; install the headers and libraries of" \
      "libsecp256k1, OpenSSL 3 (libcrypto), CBLAS with OpenBLAS behind it (blas), SQLite 3 and zlib"
}

if [ $# -gt 0 ]; then
  if ! command -v apt-get >/dev/null || ! command -v dpkg-query >/dev/null; then
    fail "install what is like Debian's packages $*: there is no apt-get here"
  fi
  packages=("$@")
  install_with_apt
  exit
fi

check_swift
if command -v apt-get >/dev/null && command -v dpkg-query >/dev/null; then
  install_with_apt
elif [ "$(uname -s)" = Darwin ]; then
  command -v brew >/dev/null ||
    fail "install Homebrew (https://brew.sh), then run: brew install openblas secp256k1 openssl@3"
  explain_macos
else
  check_with_pkg_config
fi

#!/usr/bin/env bash
# Installs the command, its completions and its manual page below a folder: Scripts/install.sh COMMAND PREFIX.
# With --check in place of COMMAND, says whether all of them are there and work.
set -euo pipefail
cd "$(dirname "$0")/.."
fail() {
  echo "install: $*" >&2
  exit 1
}
[ $# -eq 2 ] || fail "usage: Scripts/install.sh COMMAND|--check PREFIX"
prefix=$2
bash_file="$prefix/share/bash-completion/completions/petals-e2e"
zsh_file="$prefix/share/zsh/site-functions/_petals-e2e"
fish_file="$prefix/share/fish/vendor_completions.d/petals-e2e.fish"
page="$prefix/share/man/man1/petals-e2e.1"

if [ "$1" = --check ]; then
  "$prefix/bin/petals-e2e" --version >/dev/null || fail "$prefix/bin/petals-e2e does not run"
  bash -n "$bash_file" || fail "$bash_file is no script of bash"
  for file in "$zsh_file" "$fish_file"; do
    grep -q 'petals-e2e' "$file" || fail "$file completes nothing"
  done
  for subcommand in run up load report; do
    grep -q "^.SS $subcommand\$" "$page" || fail "$page does not have $subcommand"
  done
  # Where there is a man, it must find nothing wrong with the page.
  if command -v man >/dev/null && command -v groff >/dev/null; then
    warnings=$(LC_ALL=C.UTF-8 MANROFFSEQ='' man --warnings -E UTF-8 -l -Tutf8 -Z "$page" 2>&1 >/dev/null) || true
    [ -z "$warnings" ] || fail "man says of $page: $warnings"
  fi
  echo "install: command, completions and manual page are at $prefix"
  exit
fi

command=$1
install -d "$prefix/bin" "$(dirname "$bash_file")" "$(dirname "$zsh_file")" "$(dirname "$fish_file")" \
  "$(dirname "$page")" || fail "cannot write to $prefix: choose another PREFIX, or install as root"
install "$command" "$prefix/bin/petals-e2e"
"$command" --generate-completion-script bash >"$bash_file"
"$command" --generate-completion-script zsh >"$zsh_file"
"$command" --generate-completion-script fish >"$fish_file"
"$command" --experimental-dump-help | python3 Scripts/manual-page.py >"$page"
echo "install: petals-e2e is at $prefix/bin"

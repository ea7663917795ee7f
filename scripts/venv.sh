#!/usr/bin/env bash
# venv.sh DIR REQUIREMENTS: a virtual environment at DIR with the locked requirements in it.
set -euo pipefail
dir=$1
requirements=$2

python=$(command -v python3.11 || command -v python3 || true)
if [ -z "$python" ] || ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "Python 3.11 or newer is needed; on Debian 12: apt-get install python3 python3-venv" >&2
  exit 1
fi

# Debian's python3 comes without the part that puts pip into a virtual environment.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
  else
    echo "The Debian package python3-venv is needed: sudo apt-get install python3-venv" >&2
    exit 1
  fi
fi

[ -x "$dir/bin/python" ] || "$python" -m venv "$dir"
echo "installing $requirements ..." >&2
"$dir/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes --requirement "$requirements"

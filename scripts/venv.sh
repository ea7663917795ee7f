#!/usr/bin/env bash
# venv.sh DIR REQUIREMENTS: a virtual environment at DIR with the locked requirements in it; says what it is doing.
set -euo pipefail
dir=$1
requirements=$2

# The reader's language, as client/language.py has it: chinese, english, japanese.
say() {
  local locale=${LANGUAGE:-${LC_ALL:-${LC_MESSAGES:-${LANG:-}}}}
  case $locale in
    "" | C | C.* | POSIX | zh*) echo "$1" >&2 ;;
    ja*) echo "$3" >&2 ;;
    *) echo "$2" >&2 ;;
  esac
}

# pip's output in; how far it is, which package is under way and how large it is out: one line, rewritten at a terminal.
show_progress() {
  local total=$1 number=0 line package='' before='' after='\n'
  if [ -t 2 ]; then before='\r\033[K' after=''; fi
  while IFS= read -r line; do
    case $line in
      "Collecting "* | "Processing "* | "Ignoring "* | "Requirement already satisfied: "*)
        number=$((number + 1)) package=${line#Collecting } package=${package#Processing } package=${package#Ignoring }
        package=${package#Requirement already satisfied: } package=${package%%[: ]*}
        printf "$before  %s/%s %s$after" "$number" "$total" "${package##*/}" >&2
        ;;
      *Downloading\ *" MB)"*)
        printf "$before  %s/%s %s (%s$after" "$number" "$total" "${package##*/}" "${line##*(}" >&2
        ;;
      "Installing collected packages"*)
        printf "$before" >&2
        say "  正在解压并安装（半分钟左右）……" "  unpacking and installing (half a minute or so) ..." "  展開とインストール中（30 秒ほど）……"
        ;;
    esac
  done
  printf "$before" >&2
}

python=$(command -v python3.11 || command -v python3 || true)
if [ -z "$python" ] || ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  say "需要 Python 3.11 或更新的版本（Python 3.11 or newer is needed）；Debian 12 上：apt-get install python3 python3-venv" \
    "Python 3.11 or newer is needed; on Debian 12: apt-get install python3 python3-venv" \
    "Python 3.11 以降が必要です（Python 3.11 or newer is needed）。Debian 12 では：apt-get install python3 python3-venv"
  exit 1
fi

# Debian's python3 comes without the part that puts pip into a virtual environment.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "正在安装 Debian 软件包 python3-venv……" "installing the Debian package python3-venv ..." \
      "Debian パッケージ python3-venv をインストール中……"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
  else
    say "缺少 Debian 软件包 python3-venv：sudo apt-get install python3-venv" \
      "The Debian package python3-venv is needed: sudo apt-get install python3-venv" \
      "Debian パッケージ python3-venv が必要です：sudo apt-get install python3-venv"
    exit 1
  fi
fi

if [ ! -x "$dir/bin/python" ]; then
  say "正在建立虚拟环境 $dir（几秒钟）……" "making the virtual environment $dir (some seconds) ..." \
    "仮想環境 $dir を作成中（数秒）……"
  "$python" -m venv "$dir"
  "$dir/bin/python" -m pip uninstall --quiet --yes setuptools  # Python 3.11 puts it there, and nothing here needs it
fi
say "正在安装 $requirements 里的库，只有第一次需要（一到几分钟，看网速）……" \
  "installing $requirements, this once (a minute or a few, as the network is) ..." \
  "$requirements をインストール中。初回だけです（回線により一分から数分）……"
# The lock names all there is to install, so that pip need not look for more: only so can a package be left out that
# another requires and we never read, 200 MB of a dictionary (services/vendors/embedded/open_jtalk.py).
locked=$dir/locked.txt
awk '/^[A-Za-z0-9]/ { unread = /^sudachidict-core==/ } !unread' "$requirements" >"$locked"
"$dir/bin/python" -m pip install --disable-pip-version-check --progress-bar off --require-hashes --no-deps \
  --requirement "$locked" | show_progress "$(grep -c '^[^ #]*==' "$locked")"
say "$requirements 装好了" "$requirements is installed" "$requirements のインストールが終わりました"

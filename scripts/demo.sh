#!/usr/bin/env bash
# demo.sh PYTHON: a server on the embedded engines, one turn through the client, the reply as a WAV, a clean end.
set -euo pipefail
python=$1
log=$(mktemp)
server=

finish() {
  if [ -n "$server" ]; then
    kill -TERM "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
  fi
  rm -f "$log"
}
trap finish EXIT

# Its own port and its own memory, whatever the configuration says: a running server is not disturbed.
CHATANON_SERVER__HOST=127.0.0.1 CHATANON_SERVER__PORT=0 CHATANON_HISTORY__URL=memory: \
  CHATANON_ENGINES__LLM=embedded CHATANON_ENGINES__TTS=embedded CHATANON_CREDENTIALS= VALID_API_TOKENS= \
  "$python" -m server.main 2>"$log" &
server=$!

url=
for _ in $(seq 150); do
  url=$(grep -o 'ws://[^ ]*' "$log" | head -1 || true)
  [ -n "$url" ] && break
  kill -0 "$server" 2>/dev/null || { cat "$log" >&2; exit 1; }
  sleep 0.1
done
[ -n "$url" ] || { echo "the server did not become ready:" >&2; cat "$log" >&2; exit 1; }

"$python" client/test_client.py --token dev_token_001 --url "$url" --message "你好，爱音！" --save recordings

kill -TERM "$server"
wait "$server"
server=
echo "the server has ended cleanly"

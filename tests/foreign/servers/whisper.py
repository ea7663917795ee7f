"""Whisper behind OpenAI's `/audio/transcriptions`, as small servers have it: MODEL_DIR in, the address out."""

import io
import json
import sys
from email.parser import BytesParser
from email.policy import HTTP
from http.server import BaseHTTPRequestHandler, HTTPServer

from faster_whisper import WhisperModel

MODEL = WhisperModel(sys.argv[1], device="cpu", compute_type="int8", local_files_only=True)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        head = b"Content-Type: " + self.headers["Content-Type"].encode() + b"\r\n\r\n"
        form = {
            part.get_param("name", header="content-disposition"): part.get_payload(decode=True)
            for part in BytesParser(policy=HTTP).parsebytes(head + body).iter_parts()
        }
        language = form.get("language", b"").decode() or None
        if language == "auto":
            self.answer(400, {"error": {"message": "language: 'auto' is not a valid language code"}})
            return
        options = {"language": language, "initial_prompt": form.get("prompt", b"").decode() or None}
        segments, info = MODEL.transcribe(io.BytesIO(form["file"]), temperature=0.0, beam_size=2, **options)
        told = [
            {
                "id": each.id,
                "text": each.text,
                "no_speech_prob": each.no_speech_prob,
                "avg_logprob": each.avg_logprob,
                "compression_ratio": each.compression_ratio,
            }
            for each in segments
        ]
        text = "".join(each["text"] for each in told)
        self.answer(200, {"text": text, "language": info.language, "segments": told})

    def answer(self, status: int, told: dict) -> None:
        body = json.dumps(told).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


server = HTTPServer(("127.0.0.1", 0), Handler)
print(f"http://127.0.0.1:{server.server_address[1]}/v1", flush=True)
server.serve_forever()

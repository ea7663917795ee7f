"""The page people talk on, its examples and the client library: the files of web/ in, HTTP answers out.

Everything is read once, at start: no request touches the disk, and a path is a key of a table, so that none leads out
of the folder.
"""

import base64
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

_WEB = Path(__file__).resolve().parents[1] / "web"
_LIBRARY = "chatanon-client.js"
# What a browser needs to be told; a file of another kind is not served.
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".py": "text/plain; charset=utf-8",  # an example to be read
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
}
_INLINE_SCRIPT = re.compile(rb'<script type="module">(.*?)</script>', re.DOTALL)
_HOST = re.compile(r"[A-Za-z0-9.\-]+(:[0-9]+)?|\[[0-9A-Fa-f:.]+\](:[0-9]+)?")


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    media_type: str
    tag: str
    scripts: str  # those that stand in a page itself, as its policy names them: an example is to be one file


def web_page(folder: Path = _WEB) -> APIRouter:
    """Routes under /app/ for what lies in the folder `app`, and the library beside it."""
    files = {path.relative_to(folder / "app").as_posix(): _read(path) for path in _served(folder / "app")}
    files[_LIBRARY] = _read(folder / _LIBRARY)
    router = APIRouter()

    async def page(request: Request) -> Response:
        path = request.path_params.get("path", "")
        file = files.get(f"{path}index.html" if path.endswith("/") or not path else path)
        return JSONResponse({"detail": "Not Found"}, 404) if file is None else _answer(file, request)

    async def without_slash() -> RedirectResponse:
        return RedirectResponse("app/")  # relative: whatever a proxy has put before it stays

    for path, endpoint in (("/app", without_slash), ("/app/", page), ("/app/{path:path}", page)):
        router.add_api_route(path, endpoint, methods=["GET", "HEAD"], include_in_schema=False, response_model=None)
    return router


def _served(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file() and path.suffix in _TYPES]


def _read(path: Path) -> _File:
    body = path.read_bytes()
    hashes = (base64.b64encode(hashlib.sha256(script).digest()).decode() for script in _INLINE_SCRIPT.findall(body))
    scripts = "".join(f" 'sha256-{each}'" for each in hashes) if path.suffix == ".html" else ""
    return _File(body, _TYPES[path.suffix], f'"{hashlib.sha256(body).hexdigest()[:20]}"', scripts)


def _answer(file: _File, request: Request) -> Response:
    headers = {
        "ETag": file.tag,
        "Cache-Control": "no-cache",  # asked for again each time: a page and its modules are of one version
        "Content-Security-Policy": _policy(file, request.headers.get("host", "")),
    }
    known = request.headers.get("if-none-match", "")
    if known.strip() == "*" or file.tag in (tag.strip().removeprefix("W/") for tag in known.split(",")):
        return Response(status_code=304, headers=headers)
    return Response(file.body, media_type=file.media_type, headers=headers)


def _policy(file: _File, host: str) -> str:
    """Nothing from elsewhere. The sockets are named besides, for browsers whose 'self' does not include them."""
    sockets = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
    return (
        f"default-src 'none'; script-src 'self'{file.scripts}; worker-src 'self'; style-src 'self'; "
        f"img-src 'self' data:; connect-src 'self'{sockets}; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    )

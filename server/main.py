"""Settings in, a running server out: `python -m server.main`, or `uvicorn server.main:app`."""

import atexit
import gc
import signal
import sys

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C while all the rest is imported ends without a word
    from server.observability import command_line, right_python

    command_line.obey(sys.argv[1:])
    right_python.insist_on_version("-m", "server.main")

try:
    from functools import partial

    import anyio
    import structlog
    from fastapi import FastAPI, WebSocket
    from fastapi.middleware.cors import CORSMiddleware
    from fastapi.responses import JSONResponse
    from starlette.routing import WebSocketRoute

    from server.auth import DEMO_TOKEN
    from server.backend import Backend, open_backend
    from server.config import ConfigError, Settings, load
    from server.http_routes import NAME, NOT_HERE, http_routes
    from server.observability.command_line import client_command
    from server.observability.language import tell, translate
    from server.observability.line_limit import LineLimit
    from server.observability.log_writer import LogWriter
    from server.observability.logs import configure_logs
    from server.overload import watch
    from server.transport.security_headers import App, Message, Receive, Send, with_security_headers
    from server.transport.uvicorn_server import run_server
    from server.version import VERSION
    from server.web_page import web_page
    from server.websocket_endpoint import serve
except ModuleNotFoundError as error:
    if __name__ != "__main__":
        raise
    right_python.insist_on_library(error.name, "-m", "server.main")

log = structlog.get_logger()


class Application:
    """The ASGI app. Everything is built in its lifespan, nothing at import.

    A lifespan of our own around FastAPI's, because a refusal to start must be one sentence under any ASGI server, and
    a framework's lifespan reports a traceback.
    """

    def __init__(self, settings: Settings | None = None, lines: LineLimit | None = None) -> None:
        """`settings`: None reads them when the lifespan begins; with them `refusal` is for the giver to tell.

        `lines`: the log's limit, where the log is configured already.
        """
        self.refusal: ConfigError | None = None
        self._settings = settings
        self._lines = lines or LineLimit()
        self._routes: App | None = None
        self._backend: Backend | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """https://asgi.readthedocs.io/en/latest/specs/main.html"""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif self._routes is None or self._backend is None:
            raise RuntimeError("The app was called before its lifespan began; start the server with its lifespan on")
        elif scope["type"] == "websocket" and scope["path"] in _TALK:
            await serve(self._backend, WebSocket(scope, receive, send))
        else:
            await self._routes(scope, receive, send)

    async def drain(self) -> None:
        """Stop taking users, and let those who are here finish."""
        if self._backend is not None:
            await self._backend.connections.drain(self._backend.config.limits.drain_seconds)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        writer = LogWriter(sys.stderr)
        atexit.register(writer.flush)  # uvicorn's last lines come after the lifespan
        try:
            async with open_backend(self._settings or _load(writer, self._lines)) as self._backend:
                async with anyio.create_task_group() as tasks:
                    self._routes = with_security_headers(_routes(self._backend))
                    tasks.start_soon(self._backend.connections.end_idle)
                    tasks.start_soon(self._backend.connections.end_lost)
                    tasks.start_soon(self._lines.tell_for_ever)
                    tasks.start_soon(watch, self._backend.overload)
                    _settle()
                    await send({"type": "lifespan.startup.complete"})
                    await receive()
                    tasks.cancel_scope.cancel()
        except ConfigError as refusal:
            self.refusal = refusal
            await send({"type": "lifespan.startup.failed", "message": "" if self._settings else str(refusal)})
        else:
            await send({"type": "lifespan.shutdown.complete"})
        finally:
            writer.flush()


# Served beside the framework: each message would pass a dozen of its layers, and each connection keeps them all.
_TALK = ("/ws", "/ws/")
# A full collection holds everybody for as long as it takes to look at all there is: 100 ms beside thousands of sockets.
# There is little to find: strangers who are gone leave no cycles, and users come seldom. Python as shipped: 10.
_FULL_COLLECTION_EVERY = 20


def _settle() -> None:
    """What was made until now stays: the collector need not look at it again, which would hold everybody for 90 ms."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*gc.get_threshold()[:2], _FULL_COLLECTION_EVERY)


def _load(writer: LogWriter, lines: LineLimit) -> Settings:
    """The settings; logs are as they say from here on."""
    configure_logs("info", writer, lines)
    settings = load()
    configure_logs(settings.config.log.level, writer, lines)
    return settings


def _routes(backend: Backend) -> FastAPI:
    app = FastAPI(title=NAME, version=VERSION, docs_url=None, redoc_url=None)  # these load a CDN: /docs is our own
    app.add_middleware(CORSMiddleware, allow_origins=list(backend.config.server.cors_origins), allow_methods=["GET"])
    app.include_router(http_routes(backend))
    app.include_router(web_page())

    async def talk(websocket: WebSocket) -> None:
        await serve(backend, websocket)

    async def elsewhere(websocket: WebSocket) -> None:
        await websocket.send_denial_response(JSONResponse({"detail": NOT_HERE}, 404))

    # Starlette's own: FastAPI's take apart whatever stands behind the ?, which are milliseconds for each stranger.
    app.router.routes += (WebSocketRoute(path, talk) for path in _TALK)  # behind another root path
    app.router.routes.append(WebSocketRoute("/{path:path}", elsewhere))
    return app


def _say_where(settings: Settings, port: int) -> None:
    host = settings.config.server.host
    host = "localhost" if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
    url, page = f"ws://{host}:{port}/ws", f"http://{host}:{port}/app/"
    if settings.demo:
        command = client_command("--url", url, "--token", DEMO_TOKEN)
        log.info(f"ready: {url} - open {page} in a browser, or talk to it: {command}", port=port)
    else:
        command = client_command("--url", url, "--token", "YOUR_TOKEN")
        log.info(
            f"ready: {url} - open {page} in a browser, or talk to it, with one of your tokens for YOUR_TOKEN: "
            f"{command}",
            port=port,
        )


def main() -> int:
    """Serve until a signal. Exit status 0 after a clean end, 2 where the settings cannot be used."""
    writer = LogWriter(sys.stderr)
    try:
        lines = LineLimit()
        settings = _load(writer, lines)
        application = Application(settings, lines)
        try:
            run_server(application, settings.config, application.drain, partial(_say_where, settings))
        except SystemExit as exit:  # uvicorn's, where the lifespan did not begin
            raise application.refusal or exit from None
    except ConfigError as refusal:
        writer.flush()
        read_by_person = sys.stderr.isatty()
        print(tell("refused", refusal=translate(str(refusal))) if read_by_person else refusal, file=sys.stderr)
        return 2
    finally:
        writer.close()
    return 0


app = Application()

if __name__ == "__main__":
    sys.exit(main())

"""What a browser or a load balancer asks: /, /health, /ready, /characters, /asyncapi.json, /docs."""

import re
from html import escape
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel

from conversation.character import Character
from server.backend import Backend
from server.protocol.asyncapi import asyncapi_document, servers
from server.version import VERSION
from services.asr_service import PHRASES_ONLY
from services.fallback.lineup import Lineup

NAME = "ChatAnon Backend"
NOT_HERE = "No WebSocket is served at this path; the right one is /ws"


class Engine(BaseModel):
    """Which engine serves now, and why it and not another; a note where one should know what it cannot do.

    `fallbacks`: those that stand behind it, where the configuration names several. `out`: those before and behind it
    that failed last, and how.
    """

    name: str
    reason: str
    note: str | None = None
    fallbacks: list[str] | None = None
    out: dict[str, str] | None = None


class About(BaseModel):
    """What this server is."""

    name: str
    version: str
    status: str
    demo: bool
    engines: dict[str, Engine]
    credits: list[str]
    websocket: str = "/ws"
    app: str = "/app/"


class Status(BaseModel):
    """One word on how it is."""

    status: str


class CharacterItem(BaseModel):
    """A character one can talk with. `client`, and of it `live2d_model_set` again, are passed on as they are."""

    name: str
    display_name: str
    description: str
    greeting: str
    suggestions: tuple[str, ...]
    client: dict[str, Any]
    live2d_model_set: Any = None


class CharacterList(BaseModel):
    """All of them."""

    characters: list[CharacterItem]


def http_routes(backend: Backend) -> APIRouter:
    """The routes of one server. None of them does I/O."""
    router = APIRouter()
    asyncapi = asyncapi_document(VERSION)

    @router.get("/", summary="服务器信息", response_model=About, response_model_exclude_none=True)
    async def about(request: Request, response: Response) -> About | RedirectResponse:
        return _page_or(_about(backend), request, response)

    @router.get("/health", summary="健康检查：进程存活")
    async def health() -> Status:
        return Status(status="ok")

    @router.get("/ready", summary="就绪检查：能否接待新连接", responses={503: {"model": Status}})
    async def ready(response: Response) -> Status:
        if backend.connections.draining:
            response.status_code = 503
        return Status(status=_readiness(backend))

    @router.get("/characters", summary="可用角色列表", response_model_exclude_unset=True)
    async def characters() -> CharacterList:
        return _characters(backend)

    @router.get("/asyncapi.json", summary="/ws 的消息，AsyncAPI 3")
    async def messages(request: Request) -> dict[str, Any]:
        return {**asyncapi, "servers": servers(request.url.netloc, secure=request.url.scheme == "https")}

    @router.get("/docs", include_in_schema=False)
    async def documentation(request: Request) -> HTMLResponse:
        return HTMLResponse(_page(request.app.openapi()["paths"]))

    @router.get("/ws", include_in_schema=False)
    async def upgrade() -> JSONResponse:
        """RFC 9110, 15.5.22."""
        headers = {"Upgrade": "websocket", "Connection": "Upgrade"}
        return JSONResponse({"detail": "This path takes WebSockets; connect to it with ws://"}, 426, headers)

    _answer_head(router)
    return router


def _readiness(backend: Backend) -> str:
    if backend.connections.draining:
        return "draining"
    if backend.overload.is_busy:
        return "busy"
    return "degraded" if any(each.degraded for each in backend.engines.values()) else "ready"


def _page_or(about: About, request: Request, response: Response) -> About | RedirectResponse:
    """For a browser that opens the address, the page; for a program, what there is to know."""
    vary = {"Vary": "Accept"}
    response.headers.update(vary)
    return RedirectResponse("app/", headers=vary) if prefers_page(request.headers.get("accept", "")) else about


def prefers_page(accept: str) -> bool:
    """Whether who asks would rather have HTML than JSON, as browsers do that open an address (RFC 9110, 12.5.1)."""
    quality: dict[str, float] = {}
    for entry in accept.lower().split(","):
        kind, *parameters = (part.strip() for part in entry.split(";"))
        weight = next((text[2:] for text in parameters if text.startswith("q=")), "1")
        quality[kind] = float(weight) if re.fullmatch(r"[01](\.\d{0,3})?", weight) else 0.0
    anything = quality.get("*/*", 0.0)
    json = quality.get("application/json", quality.get("application/*", anything))
    return quality.get("text/html", quality.get("text/*", anything)) > json


def _answer_head(router: APIRouter) -> None:
    """Health checks of containers ask with HEAD, which FastAPI adds to no GET."""
    for route in list(router.routes):
        if isinstance(route, APIRoute):
            router.add_api_route(
                route.path,
                route.endpoint,
                methods=["HEAD"],
                include_in_schema=False,
                response_model=route.response_model,
                response_model_exclude_none=route.response_model_exclude_none,  # or its length were another
                response_model_exclude_unset=route.response_model_exclude_unset,
            )


def _page(paths: dict[str, dict[str, Any]]) -> str:
    """A page without script, style or picture: it loads nothing from anywhere."""
    routes = {path: methods["get"]["summary"] for path, methods in paths.items()}
    routes["/openapi.json"] = "HTTP 接口，OpenAPI 3"
    rows = "\n".join(
        f'<dt>GET <a href="{escape(path.lstrip("/") or "./")}">{escape(path)}</a></dt><dd>{escape(summary)}</dd>'
        for path, summary in routes.items()
    )
    return (
        f'<!DOCTYPE html>\n<html lang="zh"><head><meta charset="utf-8"><title>{NAME}</title></head>\n'
        f"<body><h1>{NAME} {VERSION}</h1>\n<dl>\n{rows}\n</dl>\n<p>WebSocket: /ws</p></body></html>\n"
    )


def _about(backend: Backend) -> About:
    return About(
        name=NAME,
        version=VERSION,
        status="draining" if backend.connections.draining else "running",
        demo=backend.authenticator.demo,
        engines={
            kind: _engine(lineup, PHRASES_ONLY if kind == "asr" and backend.asr.phrases_only else None)
            for kind, lineup in backend.engines.items()
        },
        credits=[
            *(
                each.vendor.credit
                for lineup in backend.engines.values()
                for each in lineup.choices
                if each.vendor.credit
            ),
            *backend.tts.credits,
        ],
    )


def _engine(lineup: Lineup, note: str | None) -> Engine:
    choice, *behind = lineup.choices[lineup.serving :]
    return Engine(
        name=choice.name,
        reason=choice.reason,
        note=note,
        fallbacks=[each.name for each in behind] if len(lineup.choices) > 1 else None,
        out=dict(lineup.out) or None,
    )


def _characters(backend: Backend) -> CharacterList:
    return CharacterList(characters=[_character(character) for character in backend.characters.all()])


def _character(character: Character) -> CharacterItem:
    item = CharacterItem(
        name=character.name,
        display_name=character.display_name,
        description=character.description,
        greeting=character.greeting,
        suggestions=character.suggestions,
        client=dict(character.client),
    )
    if "live2d_model_set" in character.client:  # the family's pages look for it here
        item.live2d_model_set = character.client["live2d_model_set"]
    return item

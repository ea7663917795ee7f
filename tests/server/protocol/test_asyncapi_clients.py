"""What others make of GET /asyncapi.json: the official parser, and a client on the types of a generator.

`make node` installs them. Where they are not, these tests are skipped; in CI that is a failure.
"""

import copy
import json
import os
import re
import shlex
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest

from server.protocol import wire
from tests.protocol_client import ProtocolClient
from tests.running_server import ROOT, RunningServer

CLIENT: tuple[Any, ...] = get_args(wire.AnyClientMessage)
SERVER: tuple[Any, ...] = get_args(wire.AnyServerMessage)

NODE = ROOT / "tests" / "node"
INSTALLED = ROOT / ".venv" / "node" / "node_modules"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("headers", "reached"),
    [
        ({}, "ws://{own}/ws"),
        ({"Host": "talk.example"}, "ws://talk.example/ws"),
        ({"Host": "talk.example:8443", "X-Forwarded-Proto": "https"}, "wss://talk.example:8443/ws"),
        ({"Host": "[::1]:8765"}, "ws://[::1]:8765/ws"),
    ],
)
def test_server_is_where_the_document_was_asked_for(
    server: RunningServer, headers: dict[str, str], reached: str
) -> None:
    (told,) = server.get("/asyncapi.json", **headers)[1]["servers"].values()
    address = f"{told['protocol']}://{told['host']}{told['pathname']}"
    assert address == reached.format(own=f"127.0.0.1:{server.port}")


# A request, and what has to be said before it.
REQUESTS: list[tuple[dict[str, Any], list[dict[str, Any]]]] = [
    ({"type": "message", "content": "你好"}, []),
    ({"type": "message", "content": " "}, []),
    ({"type": "audio_message", "audio_base64": "AAA="}, []),
    ({"type": "audio_stream_start"}, []),
    ({"type": "agent_mode_start"}, []),
    ({"type": "voice_call_start"}, []),
    ({"type": "voice_call_start"}, [{"type": "audio_stream_start"}]),
    ({"type": "switch_character", "character_name": "tomori"}, []),
    ({"type": "switch_character", "character_name": "nobody"}, []),
    ({"type": "clear_history"}, []),
    ({"type": "ping"}, []),
    ({"type": "get_history"}, []),
    ({"type": "connect", "api_token": "again"}, []),
]


@pytest.mark.slow
@pytest.mark.parametrize(("request_", "before"), REQUESTS)
def test_answer_of_the_server_is_among_the_replies_told(
    server: RunningServer,
    talk: Callable[..., ProtocolClient],
    request_: dict[str, Any],
    before: list[dict[str, Any]],
) -> None:
    document = server.get("/asyncapi.json")[1]
    client = talk(extensions=["turns", "sentences", "history"])
    for message in before:
        client.send_raw(json.dumps(message))
        client.receive()
    client.send_raw(json.dumps(request_))
    answer = client.receive()
    reply = document["operations"][f"answer_{request_['type']}"]["reply"]["messages"]
    assert answer["type"] in {message["$ref"].rpartition("/")[2] for message in reply}
    payload = document["components"]["messages"][answer["type"]]["payload"]
    jsonschema.Draft202012Validator({**payload, "components": document["components"]}).validate(answer)


@pytest.fixture
def tools(tmp_path: Path) -> Path:
    """A folder with our programs for Node.js, where `npx` finds what `make node` has installed."""
    if not (INSTALLED.is_dir() and shutil.which("node")):
        why = "needs Node.js 18 or newer with npm, and then `make node`"
        pytest.fail(why) if os.environ.get("NOTHING_SKIPPED") else pytest.skip(why)
    folder = tmp_path / "tools"
    shutil.copytree(NODE, folder)
    (folder / "node_modules").symlink_to(INSTALLED)
    return folder


def run(folder: Path, *command: str, said: str = "") -> str:
    """Its standard output; it must end well."""
    done = subprocess.run(command, cwd=folder, input=said, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def parsed(folder: Path, *documents: dict[str, Any]) -> list[dict[str, Any]]:
    """What the official parser makes of each. That there is a newer edition is nothing: most tools read this one."""
    files = [folder / f"{number}.json" for number, _ in enumerate(documents)]
    for file, document in zip(files, documents, strict=True):
        file.write_text(json.dumps(document), encoding="utf-8")
    found = json.loads(run(folder, "node", "validate.mjs", *map(str, files)))
    return [{**read, "codes": set(read["codes"]) - {"asyncapi-latest-version"}} for read in found]


@pytest.mark.slow
def test_official_parser_finds_nothing_wrong(server: RunningServer, tools: Path) -> None:
    document = server.get("/asyncapi.json")[1]
    nowhere, no_host, elsewhere = (copy.deepcopy(document) for _ in range(3))
    del nowhere["components"]["messages"]["pong"]
    del no_host["servers"]["this"]["host"]
    elsewhere["operations"]["answer_ping"]["messages"] = [{"$ref": "#/components/messages/ping"}]
    (read, *wrong) = parsed(tools, document, nowhere, no_host, elsewhere)
    assert not read["codes"] and all(other["codes"] for other in wrong)
    assert read["servers"] == [server.url]
    operations = read["operations"]
    assert set(operations["receive"]["messages"]) == {kind.__struct_config__.tag for kind in CLIENT}
    assert set(operations["send"]["messages"]) == {kind.__struct_config__.tag for kind in SERVER}
    assert operations["answer_ping"] == {"action": "receive", "messages": ["ping"], "reply": ["pong", "error"]}


def generating(page: str, port: int) -> list[str]:
    """The commands that it shows, for the server on this port."""
    text = (ROOT / page).read_text(encoding="utf-8")
    (block,) = (block for block in re.findall(r"^```bash\n(.*?)^```$", text, re.M | re.S) if "modelina" in block)
    return str(block).replace("localhost:8765", f"127.0.0.1:{port}").splitlines()


@pytest.mark.slow
def test_client_on_generated_types_compiles_and_understands_the_server(
    server: RunningServer, talk: Callable[..., ProtocolClient], tools: Path
) -> None:
    commands = generating("docs/protocol.md", server.port)
    assert commands == generating("docs/protocol.en.md", server.port)
    for command in commands:
        run(tools, *shlex.split(command))
    models = {path.stem for path in (tools / "models").iterdir()}
    named = {"ClientMessage", "ServerMessage", "Emotion", "ErrorCode", "Extension"}
    assert models >= {*(kind.__name__ for kind in (*CLIENT, *SERVER)), *named}
    assert not {name for name in models if "Anonymous" in name}
    strict = ("--strict", "--noUncheckedIndexedAccess", "--target", "es2022", "--module", "nodenext")
    run(tools, "npx", "tsc", *strict, "--skipLibCheck", "--types", "node", "--outDir", "built", "client.ts")

    client = talk(extensions=["turns", "sentences", "history"])
    session = [client.said[0], *client.turn("你好"), client.receive()]
    client.send("get_history")
    client.send("switch_character", character_name="nobody")
    session += [client.receive(), client.receive()]
    lines = "\n".join(json.dumps(message, ensure_ascii=False) for message in session)
    answer = json.loads(run(tools, "node", "built/client.js", said=lines))
    assert [message["type"] for message in answer["said"]] == ["connect", "message"]
    assert answer["told"] == [told(message) for message in session]


def told(message: dict[str, Any]) -> str | None:
    """What client.ts should make of it."""
    match message["type"]:
        case "connected":
            return f"{message['character_display_name']} {','.join(message['extensions'])}"
        case "sentence":
            emotion, chinese = message["emotion"].upper(), message["content_cn"] or "-"
            return f"{message['index']} {emotion} {message['content_jp']} {chinese}"
        case "audio_chunk":
            return f"{message['audio_sample_rate']} pcm {len(b64decode(message['audio_base64']))}"
        case "response":
            return f"{message['content_cn']} spoken"
        case "error":
            return f"{message['code']} never"
        case "history":
            entries = message["messages"]
            return ",".join(f"{e['id']} {e['role']} {e['content_jp'] or e['content_cn']}" for e in entries)
    return None

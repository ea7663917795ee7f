"""docs/architecture.md in; whether the code is as it says out: rooms, borders, walks and words."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.voice import b64, framed, words
from tests.simulated_cloud import CloudServer, simulators
from tests.speech import chunks
from tests.test_architecture import Module, modules

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
CODE = re.compile(r"`([^`]+)`")
OURS = ("server", "services", "conversation", "stores", "chatanon_client", "client", "bench")


def section(title: str) -> str:
    """From a heading to the next one of any level."""
    (found,) = re.finditer(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", TEXT, re.DOTALL | re.MULTILINE)
    return str(found[1])


def rows(title: str) -> list[list[str]]:
    """The cells of the one table under a heading, without its head."""
    lines = [line.strip("|").split("|") for line in section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in cells] for cells in lines[2:]]


ROOMS: dict[str, list[str]] = {CODE.findall(cells[0])[0]: cells for cells in rows("1. The rooms")}


def room_of(path: str) -> str:
    """The smallest room that a file is in."""
    return max((room for room in ROOMS if path.startswith(room)), key=len)


def in_room(room: str) -> list[Module]:
    return [module for module in modules(*OURS) if room_of(module.path) == room]


# ---------------------------------------------------------------- rooms


def test_every_folder_of_code_is_a_room_or_in_one() -> None:
    folders = {f"{Path(module.path).parent.as_posix()}/" for module in modules(*OURS)}
    vendors = {folder for folder in folders if folder.startswith("services/vendors/")}
    assert set(ROOMS) == (folders - vendors) | {"services/vendors/"}
    named = CODE.findall(ROOMS["services/vendors/"][1])
    assert {f"services/vendors/{name}/" for name in named} | {"services/vendors/"} == vendors


@pytest.mark.parametrize("room", ROOMS)
def test_room_is_as_large_as_it_says(room: str) -> None:
    files = [module for module in in_room(room) if not module.path.endswith("__init__.py")]
    count, lines = int(ROOMS[room][3]), int(ROOMS[room][4])
    real = sum(module.text.count("\n") for module in files)
    assert count == len(files)
    assert abs(lines - real) <= max(25, real // 10), f"{room} has {real} lines"


@pytest.mark.parametrize("room", [room for room in ROOMS if not room.startswith(("client/", "bench/"))])
def test_room_says_at_its_entrance_what_it_is_for(room: str) -> None:
    (entrance,) = (module for module in in_room(room) if module.path == f"{room}__init__.py")
    assert "import" in entrance.docstring and 2 <= len(re.findall(r"[.?](?:\s|$)", entrance.docstring)) <= 6


def allowed(cell: str, room: str) -> tuple[set[str], set[str]]:
    """What a row says may be imported: rooms and files, and those that are excepted."""
    named, _, excepted = cell.partition(" but ")
    known = {*ROOMS, "services/vendors/"}
    if named.startswith("all rooms"):
        wide = {each for each in known if each.startswith("server/")} if "of `server/`" in named else known
        entrances = {"server/main.py", "server/http_routes.py", "server/websocket_endpoint.py"}
        first, _, rest = excepted.partition(";")
        more = set(CODE.findall(rest))
        outside = set(CODE.findall(first)) | (entrances if "entrances" in first else set())
        return wide | more, outside
    return set(CODE.findall(named)), set()


@pytest.mark.parametrize("room", [room for room in ROOMS if room != "bench/"])
def test_room_imports_what_its_row_allows(room: str) -> None:
    paths = {module.path: module for module in modules(*OURS)}
    may, may_not = allowed(ROOMS[room][2], room)
    for module in in_room(room):
        for name in module.imports():
            base = name.replace(".", "/")
            path = next((p for p in (f"{base}.py", f"{base}/__init__.py") if p in paths), None)
            if path is None or room_of(path) == room:
                continue
            assert path in may or room_of(path) in may, f"{module.path} imports {path}"
            assert path not in may_not and room_of(path) not in may_not, f"{module.path} imports {path}"


def test_order_of_the_rooms_in_the_server_is_that_of_the_contract() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    (layers,) = (contract["layers"] for contract in contracts if contract.get("containers") == ["server"])
    prose = " ".join(section("1. The rooms").split()).partition("from the entrances down: ")[2].partition(". Below")[0]
    steps = [set(re.findall(r"\w+", step.replace(".py", ""))) - {"and", "the"} for step in prose.split(";")]
    assert steps == [set(layer.split(" | ")) for layer in layers]


# ---------------------------------------------------------------- what is named


def test_every_path_and_every_name_in_it_exists() -> None:
    for line in TEXT.splitlines():
        for name in CODE.findall(line):
            if re.fullmatch(r"[\w.]+/[\w./-]*", name):
                assert (ROOT / name).exists(), name
            elif re.fullmatch(r"[\w]+\.(py|md|yaml|toml)", name):
                assert any(ROOT.rglob(name)), name


def defined(path: str) -> set[str]:
    """Its functions and classes, as `Class.method`, and the names at its top."""
    (module,) = (each for each in modules(*OURS) if each.path == path)
    top = set(re.findall(r"^(\w+)\s*(?::[^=]*)?=", module.text, re.MULTILINE))
    return top | {name for name, _ in module.named() if name}


def test_where_to_add_things_names_what_is_there() -> None:
    for cells in rows("3. Where do I add ..."):
        for path, name in re.findall(r"`(\w+)` in `([\w/]+\.py)`", " ".join(cells)):
            assert path in defined(name), (path, name)


def test_glossary_has_about_thirty_words_in_order_and_each_is_used() -> None:
    found = [cells[0] for cells in rows("4. The words")]
    assert found == sorted(found, key=str.lower) and 30 <= len(found) <= 45
    code = "\n".join(module.text for module in modules(*OURS)).lower()
    for word in found:
        for each in word.lower().replace(" transcript", "").split(", "):
            assert re.search(re.sub(r"[ -]", "[ _-]", rf"\b{each}"), code), each


# What was called otherwise once; the right word is in the glossary. In bench/ whoever talks for a measurement is a
# caller, as everywhere where such servers are measured.
OLD_WORDS = re.compile(r"\b(minds?|ears?|callers?|(?<!\.)clips?|hands-free|inbox|hearings?)\b", re.IGNORECASE)
STILL_SAID = {
    "conversation/turn.py": "the caller of a function",
    "services/llm_service.py": "the same",
    "server/session/modes/agent.py": "a sentence on the wire, which is not changed",
    "server/session/modes/voice.py": "the same",
}


def test_one_word_for_one_thing() -> None:
    texts = {module.path: module.text for module in modules(*OURS)}
    texts |= {path: re.sub(r"(?i)callers?", "", text) for path, text in texts.items() if path.startswith("bench/")}
    said = {path for path, text in texts.items() if OLD_WORDS.search(text)}
    assert said == set(STILL_SAID)


# ---------------------------------------------------------------- walks

TRACER = """
import atexit, os, sys

root, out = os.environ["TRACED_ROOT"] + "/", os.environ["TRACED_OUT"]
if "server.main" in sys.orig_argv:
    entered = []

    def enter(frame, event, _):
        if event == "call" and frame.f_code.co_filename.startswith(root):
            entered.append(f"{frame.f_code.co_filename.removeprefix(root)} {frame.f_code.co_qualname}")

    def write():
        sys.setprofile(None)
        with open(out, "w", encoding="utf-8") as file:
            file.write("\\n".join(entered))

    sys.setprofile(enter)
    atexit.register(write)
"""


def walk(title: str) -> list[str]:
    """Its functions, as the tracer writes them."""
    return [" ".join(CODE.findall(cells[1])) for cells in rows(title)]


@pytest.fixture(scope="module")
def traced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[str]]]:
    """Every function of ours that the server entered, in order: for a text turn, and for one in agent mode."""
    found: dict[str, list[str]] = {}
    with simulators() as vendors:
        for mode in ("text", "agent"):
            folder = tmp_path_factory.mktemp(mode)
            (folder / "sitecustomize.py").write_text(TRACER)
            out = folder / "entered"
            places = {"PYTHONPATH": str(folder), "TRACED_ROOT": str(ROOT), "TRACED_OUT": str(out)}
            server = CloudServer(vendors, folder, **places)
            client = server.client()
            if mode == "text":
                client.send("message", content="你好")
                client.until("response")
            else:
                client.send("agent_mode_start")
                client.until("agent_listening")
                for chunk in chunks(framed(words())):
                    client.send("agent_audio_chunk", audio_base64=b64(chunk))
                client.until("response")
            client.close()
            server.process.signal()
            assert server.process.wait() == 0
            server.process.kill()
            found[mode] = out.read_text(encoding="utf-8").splitlines()
    yield found


@pytest.mark.slow
@pytest.mark.parametrize(("mode", "title"), [("text", "A text turn"), ("agent", "An utterance in agent mode")])
def test_a_real_turn_goes_the_way_that_is_written(traced: dict[str, list[str]], mode: str, title: str) -> None:
    way = iter(traced[mode])
    for step in walk(title):
        assert step in way, f"{step} is not entered after the step before it"


def test_no_file_is_entered_twice_but_the_borders() -> None:
    text, agent = walk("A text turn"), walk("An utterance in agent mode")
    whole = [step.split()[0] for step in agent[:-1] + text[text.index(agent[-1]) :]]
    twice = {path for path in whole if whole.count(path) > 1}
    assert twice == {
        "server/protocol/codec.py",
        "conversation/turn_taking.py",
        "conversation/turn.py",  # one task group: `run_turn` opens it, `deliver` is its last stage
        "server/session/turn_delivery.py",  # stands around the turn from its beginning to its end
    }

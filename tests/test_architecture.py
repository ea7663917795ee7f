"""The house rules that a machine can read: who knows whom, what may wait, what may be caught, how large things grow."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OURS = ("server", "services", "conversation", "stores")
APART = ("chatanon_client", "client", "bench")  # they know the wire alone

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))

AnyFunction = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Module:
    """A source file; `path` is relative to the project."""

    path: str
    text: str
    tree: ast.Module

    @property
    def docstring(self) -> str:
        return ast.get_docstring(self.tree) or ""

    def imports(self) -> Iterator[str]:
        """Every module that is imported, at the top or inside a function, as `a.b.c`."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.path}: a relative import"
                yield node.module or ""
                yield from (f"{node.module}.{alias.name}" for alias in node.names)

    def named(self) -> Iterator[tuple[str, ast.AST]]:
        """Every node with the classes and functions it is or stands in: `Class.method`; nothing at the top."""
        yield from _named(self.tree, "")

    def functions(self) -> Iterator[tuple[str, AnyFunction]]:
        yield from ((name, node) for name, node in self.named() if isinstance(node, AnyFunction))

    def classes(self) -> Iterator[ast.ClassDef]:
        yield from (node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef))


def _named(node: ast.AST, inside: str) -> Iterator[tuple[str, ast.AST]]:
    for child in ast.iter_child_nodes(node):
        name = inside
        if isinstance(child, AnyFunction | ast.ClassDef):
            name = f"{inside}.{child.name}".lstrip(".")
        yield name, child
        yield from _named(child, name)


OF_ANOTHER_PYTHON = {"bench/loads/pipecat_bot.py"}  # runs in a venv that bench/compare.py makes


@cache
def modules(*folders: str) -> tuple[Module, ...]:
    paths = [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]
    paths = [path for path in paths if path.relative_to(ROOT).as_posix() not in OF_ANOTHER_PYTHON]
    texts = [path.read_text(encoding="utf-8") for path in paths]
    return tuple(
        Module(path.relative_to(ROOT).as_posix(), text, ast.parse(text))
        for path, text in zip(paths, texts, strict=True)
    )


def called(node: ast.Call) -> str:
    """The last name of what is called: `create_task_group` of `anyio.create_task_group()`."""
    function = node.func
    return (
        function.attr if isinstance(function, ast.Attribute) else function.id if isinstance(function, ast.Name) else ""
    )


def test_there_is_something_to_read() -> None:
    assert len(modules(*OURS)) > 30
    assert {"client/test_client.py", "client/audio_manager.py"} <= {module.path for module in modules("client")}


# ---------------------------------------------------------------- 1. pure rooms stay pure

# Those that docs and this project call pure or sans-IO by name; a room is found by the first line of its docstring.
PURE_BY_NAME = {
    "conversation/turn_taking.py",
    "conversation/endpointing.py",
    "conversation/reply/loose_json.py",
    "conversation/pacing.py",
    "conversation/prompt.py",
    "conversation/pronunciation.py",
    "conversation/reply/parser.py",
    "conversation/reply/prose.py",
    "conversation/reply/reply_filter.py",
    "conversation/reply/joining.py",
    "conversation/timeline.py",
    "services/vendors/bytedance/frames.py",
    "services/vendors/bytedance/request.py",
    "services/chat_completions/answer.py",
    "services/transcripts/inventions.py",
    "services/vendors/funasr/messages.py",
    "services/vendors/openai/asr_request.py",
    "services/vendors/openai/asr_answer.py",
    "services/asr_process/frames.py",
    "services/vendors/minimax/frames.py",
    "services/vendors/minimax/texts.py",
    "services/vendors/silero/network.py",
    "services/vendors/silero/weights.py",
    "server/audio/formats.py",
    "server/audio/conversion.py",
}
PURE = re.compile(r"(Pure|Sans-IO): |.*, (pure|sans-IO): ")
IMPURE_MODULES = {
    "aiohttp", "anyio", "asyncio", "concurrent", "datetime", "http", "io", "logging", "multiprocessing", "os",
    "pathlib", "queue", "random", "secrets", "select", "shutil", "signal", "socket", "sqlite3", "ssl", "structlog",
    "subprocess", "tempfile", "threading", "time", "urllib.request", "uuid", "websockets",
}  # fmt: skip


def is_pure(module: Module) -> bool:
    return PURE.match(module.docstring.partition("\n")[0]) is not None


def test_rooms_that_are_called_pure_say_so_in_their_first_line() -> None:
    exist = {module.path for module in modules(*OURS)} & PURE_BY_NAME
    assert len(exist) >= 7
    assert exist <= {module.path for module in modules(*OURS) if is_pure(module)}


@pytest.mark.parametrize("module", [m for m in modules(*OURS) if is_pure(m)], ids=lambda module: module.path)
def test_pure_room_waits_for_nothing_and_knows_no_clock_socket_or_file(module: Module) -> None:
    for name in module.imports():
        assert not {name, name.partition(".")[0]} & IMPURE_MODULES, name
    for node in ast.walk(module.tree):
        assert not isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith), ast.unparse(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("open", "print", "input", "exec", "eval"), ast.unparse(node)


# ---------------------------------------------------------------- 6, 7, 8. tasks, generators, cancellation


def test_tasks_live_in_task_groups() -> None:
    stray = {"create_task", "gather", "ensure_future", "run_coroutine_threadsafe"}
    for module in modules(*OURS):
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call):
                assert called(node) not in stray, f"{module.path}, line {node.lineno}: {ast.unparse(node)}"
        assert not stray & {name.rpartition(".")[2] for name in module.imports()}, module.path


SCOPES = {
    "create_task_group",
    "CancelScope",
    "move_on_after",
    "move_on_at",
    "fail_after",
    "fail_at",
    "timeout",
    "within",
}


def _yields_in_scope(node: ast.AST, in_scope: bool) -> Iterator[ast.AST]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, AnyFunction | ast.Lambda | ast.ClassDef):
            continue
        opens = isinstance(child, ast.With | ast.AsyncWith) and any(
            isinstance(item.context_expr, ast.Call) and called(item.context_expr) in SCOPES for item in child.items
        )
        if in_scope and isinstance(child, ast.Yield | ast.YieldFrom):
            yield child
        yield from _yields_in_scope(child, in_scope or opens)


def test_no_generator_yields_inside_a_task_group_or_cancel_scope() -> None:
    """But for context managers, whose yield is not left before they are."""
    for module in modules(*OURS):
        for name, function in module.functions():
            decorators = {ast.unparse(each) for each in function.decorator_list}
            if not {"asynccontextmanager", "contextmanager"} & decorators:
                for found in _yields_in_scope(function, False):
                    line = getattr(found, "lineno", 0)
                    raise AssertionError(f"{module.path}, line {line}: {name} yields inside a scope")


# Where everything is caught, and why. A new one needs a reason here; one that is gone leaves the list.
BORDERS = {
    ("server/websocket_endpoint.py", "serve"): "process: the outermost border of one connection, with an incident id",
    (
        "server/session/modes/utterances.py",
        "Utterances._transcript",
    ): "raised again: no mode may wait for ever",
    (
        "server/session/requests.py",
        "Requests._guarded",
    ): "request: a defect ends it and not the session, with an incident id",
    ("server/session/early_llm.py", "_Guess.hold"): "guess: a defect in it is no user's affair; the turn asks again",
    ("server/session/turn_delivery.py", "TurnDelivery.run"): "turn: a defect ends it as turns end, with an incident id",
    ("server/settings/credentials_file.py", "_fault_of_running"): "credentials.py is the operator's own code",
    ("services/base.py", "map_errors"): "raised again: what is in no row of the mapping is a defect",
    ("stores/presence.py", "InProcessPresence._evict"): "whatever breaks in an old session, the new one comes in",
}


def caught(handler: ast.ExceptHandler) -> set[str]:
    """The last names of what an `except` catches; `bare` where it names nothing."""
    if handler.type is None:
        return {"bare"}
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return {ast.unparse(kind).rpartition(".")[2] for kind in kinds}


def test_everything_is_caught_at_the_named_borders_only() -> None:
    found = set()
    for module in modules(*OURS):
        for name, node in module.named():
            if isinstance(node, ast.ExceptHandler) and caught(node) & {"bare", "Exception"}:
                found.add((module.path, name))
    assert found == set(BORDERS)


def test_cancellation_is_never_caught() -> None:
    forbidden = {"bare", "BaseException", "CancelledError", "get_cancelled_exc_class()"}
    for module in modules(*OURS):
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ExceptHandler):
                assert not caught(node) & forbidden, f"{module.path}, line {node.lineno}"
            if isinstance(node, ast.Call) and called(node) == "suppress":
                kinds = {ast.unparse(kind).rpartition(".")[2] for kind in node.args}
                assert not kinds & (forbidden | {"Exception"}), f"{module.path}, line {node.lineno}"


# ---------------------------------------------------------------- 11. built in main.py and passed in


def is_value(node: ast.ClassDef) -> bool:
    """Whether its instances are values that nobody can change."""
    bases = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
    frozen = {ast.unparse(each) for decorator in node.decorator_list for each in _keywords(decorator)}
    frozen |= {ast.unparse(each) for each in node.keywords}
    return bool(bases & {"NamedTuple", "Enum", "IntEnum", "StrEnum"}) or "frozen=True" in frozen


def _keywords(decorator: ast.expr) -> list[ast.keyword]:
    return decorator.keywords if isinstance(decorator, ast.Call) else []


def made_now(node: ast.AST) -> Iterator[ast.AST]:
    """An expression and its parts, but for what a lambda puts off."""
    yield node
    if not isinstance(node, ast.Lambda):
        for child in ast.iter_child_nodes(node):
            yield from made_now(child)


def test_no_object_of_ours_is_made_at_import_but_the_app() -> None:
    """Values that nobody can change are no objects in this sense; they may be constants."""
    kinds = {node.name: is_value(node) for module in modules(*OURS) for node in module.classes()}
    found = []
    for module in modules(*OURS):
        for statement in module.tree.body:
            if isinstance(statement, ast.Assign | ast.AnnAssign | ast.Expr) and statement.value is not None:
                for node in made_now(statement.value):
                    if isinstance(node, ast.Call) and not kinds.get(called(node), True):
                        found.append((module.path, ast.unparse(statement)))
    assert found == [("server/main.py", "app = Application()")]


WATCHED_IMPORT = """
import sys, threading
opened = []

def watch(event, arguments):
    if event == "open" and isinstance(arguments[0], str):
        opened.append(arguments[0])
    elif event.startswith(("socket.bind", "socket.connect", "subprocess", "os.system", "sqlite3.connect")):
        opened.append(event)

sys.addaudithook(watch)
import server.main, client.test_client
inside = [each for each in opened if each.startswith(sys.argv[1]) or not each.startswith("/")]
inside = [each for each in inside if "site-packages" not in each]  # what a library reads of itself is its affair
print([each for each in inside if not each.endswith((".py", ".pyc")) and ".pyc." not in each], threading.active_count())
"""


def test_import_reads_no_file_opens_no_socket_and_starts_no_thread() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WATCHED_IMPORT, f"{ROOT}/"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("[] 1\n", "")


# ---------------------------------------------------------------- who knows whom (3.2)


def test_import_contracts_hold() -> None:
    script = (
        "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True, no_logo=True))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


# Benches that know more than the wire, and why.
NEARER = {
    "bench/first_sound.py": {"tests"},  # the vendors it measures against are simulators
    "bench/listening.py": {"tests"},  # the same
    "bench/engines.py": {"tests"},  # the same
    "bench/page.py": {"tests"},  # the browser and its microphone are those of the tests
    **{f"bench/talks/{name}.py": {"tests", "services"} for name in ("material", "room", "said", "talk")},  # sound
    "bench/talks/own_echo.py": {"services"},  # the rate of it
    "bench/talks/stage.py": {"tests"},  # the vendors are simulators
    "bench/endpointing.py": {"tests", "services", "conversation"},  # measures one room, without a server
    "bench/people.py": {"tests", "services", "conversation"},  # the same, on recordings of people
    "bench/recognition.py": {"tests", "services", "server"},  # the same
    "bench/loop_lag.py": {"server"},  # is the server, with a timer in its loop
    "bench/loads/profiled.py": {"server"},  # is the server, watched
    "bench/loads/microphone.py": {"tests"},  # its speech is that of the tests
    "bench/codec.py": {"server"},  # measures one room, without a server
}


def test_clients_know_the_wire_alone() -> None:
    for module in modules(*APART):
        ours = {name.partition(".")[0] for name in module.imports()} & {*OURS, "tests"}
        assert ours <= NEARER.get(module.path, set()), f"{module.path} imports {ours}"


def test_vendor_knows_the_ground_and_its_own_files_alone() -> None:
    for module in modules("services/vendors"):
        vendor = ".".join(Path(module.path).parts[:3])  # its folder
        for name in module.imports():
            if name.partition(".")[0] in OURS:
                assert name.startswith(
                    (
                        "services.base",
                        "services.engine_",
                        "services.chat_completions",
                        "services.http_speech",
                        "services.socket_recognition",
                        "services.transcripts",
                        "services.asr_process",
                        vendor,
                    )
                ), f"{module.path} imports {name}"


def test_only_the_door_knows_the_web_framework() -> None:
    for module in modules("services", "conversation", "stores", *APART):
        assert not {name.partition(".")[0] for name in module.imports()} & {"fastapi", "starlette", "uvicorn"}


def test_vendors_are_imported_by_name_alone() -> None:
    for module in modules("server", "conversation", "stores", "client"):
        assert not [name for name in module.imports() if name.startswith("services.vendors")], module.path


# ---------------------------------------------------------------- 14. budgets

FILE_LINES, FUNCTION_LINES, CLASS_METHODS, CLASS_ATTRIBUTES, CONSTRUCTOR_PARAMETERS = 400, 40, 12, 10, 7

# What is larger. Each says why at its own place, in a sentence with one of these words.
REASON = re.compile(r"\b(because|hence|for each)\b")
LARGER = {
    "server/protocol/wire.py",
    "conversation/reply/loose_json.py: LooseJsonScanner",
    "conversation/reply/objects.py: ReplyObject",
}


def methods(node: ast.ClassDef) -> list[AnyFunction]:
    return [each for each in node.body if isinstance(each, AnyFunction)]


def attributes(node: ast.ClassDef) -> set[str]:
    """What its methods give `self`. The fields of a value are its form, not its state, and are not counted."""
    stored = (each for method in methods(node) for each in ast.walk(method) if isinstance(each, ast.Attribute))
    return {
        each.attr
        for each in stored
        if isinstance(each.ctx, ast.Store) and isinstance(each.value, ast.Name) and each.value.id == "self"
    }


def sizes(module: Module) -> Iterator[tuple[str, str, str, int, int]]:
    """Of all that has a budget: its place, the docstring that may excuse it, what is counted, the count, the most."""
    yield module.path, module.docstring, "lines", len(module.text.splitlines()), FILE_LINES
    for name, function in module.functions():
        lines = (function.end_lineno or 0) - function.lineno + 1
        why = ast.get_docstring(function) or ""
        yield f"{module.path}: {name}", why, "lines", lines, FUNCTION_LINES
        if function.name == "__init__":
            parameters = len(function.args.posonlyargs + function.args.args + function.args.kwonlyargs) - 1
            yield f"{module.path}: {name}", why, "parameters", parameters, CONSTRUCTOR_PARAMETERS
    for node in module.classes():
        why = ast.get_docstring(node) or ""
        yield f"{module.path}: {node.name}", why, "methods", len(methods(node)), CLASS_METHODS
        yield f"{module.path}: {node.name}", why, "attributes", len(attributes(node)), CLASS_ATTRIBUTES


def test_nothing_is_larger_than_its_budget_but_what_says_why() -> None:
    larger, silent = {}, []
    for module in modules(*OURS, *APART):
        for place, docstring, what, count, most in sizes(module):
            if count > most:
                larger[place] = f"{count} {what}, at most {most}"
                if not REASON.search(docstring):
                    silent.append(place)
    assert {place: count for place, count in larger.items() if place not in LARGER} == {}
    assert silent == [], "these do not say why"
    assert set(LARGER) <= set(larger), "these fit their budget again and leave the list"


# ---------------------------------------------------------------- 15. prose and names


def test_every_module_says_first_what_it_is() -> None:
    for module in (each for each in modules(*OURS, *APART) if each.text):
        assert len(module.docstring.partition("\n")[0]) > 20, module.path


def test_no_file_is_named_for_leftovers() -> None:
    for module in modules(*OURS, *APART, "tests"):
        assert not {"utils", "util", "helpers", "helper", "common", "misc"} & set(Path(module.path).stem.split("_"))


# ---------------------------------------------------------------- the project's own settings

# Dependencies that no line of ours imports, and what needs them.
NOT_IMPORTED = {
    "httptools": "uvicorn's HTTP parser, found by itself",
}
# What we import and do not name, because it is part of what does come with it.
COMES_WITH = {"starlette": "fastapi", "pydantic": "fastapi", "yarl": "aiohttp"}


def declared() -> set[str]:
    return {_normal(re.split(r"[\[<>=!~; ]", line, maxsplit=1)[0]) for line in PROJECT["project"]["dependencies"]}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported() -> dict[str, str]:
    """Distribution -> the module of it that is imported somewhere; what is not installed stands for itself."""
    distributions = packages_distributions()
    found = {}
    for module in modules(*OURS, *APART):
        for name in {each.partition(".")[0] for each in module.imports()}:
            if name not in sys.stdlib_module_names and name not in (*OURS, *APART, "credentials"):
                for distribution in distributions.get(name, [name]):
                    found[_normal(distribution)] = name
    return found


def test_tests_are_looked_for_in_tests_alone() -> None:
    """pytest's usual pattern would take client/test_client.py for a test."""
    assert PROJECT["tool"]["pytest"]["ini_options"]["testpaths"] == ["tests"]
    assert PROJECT["tool"]["pytest"]["ini_options"]["filterwarnings"][0] == "error"


def test_every_dependency_is_imported_or_has_its_reason() -> None:
    assert declared() - set(imported()) == set(NOT_IMPORTED)


def test_everything_imported_is_a_dependency() -> None:
    missing = set(imported()) - declared() - {"tests"}
    assert {name for name in missing if COMES_WITH.get(name) not in declared()} == set()


def test_dependencies_are_named_without_addresses() -> None:
    for line in (*PROJECT["project"]["dependencies"], *PROJECT["dependency-groups"]["dev"]):
        assert "@" not in line and "://" not in line

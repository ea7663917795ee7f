"""The vendors there are and the secrets there are in; which engine of a kind serves, and why, out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class EngineUnavailable(Exception):
    """A wanted engine cannot be opened; str(error) says why and what to do, in one sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """A row of a vendor table: the module under `services.vendors`, and what it cannot do without."""

    module: str
    secrets: tuple[str, ...] = ()  # names as in the environment, e.g. DOUBAO_API_KEY
    or_secrets: tuple[str, ...] = ()  # another set that serves as well
    endpoint: str = ""  # the key of `endpoints` that says where it is
    model: str = ""  # the key of `models` that names its model
    model_dir: str = ""  # the section whose `model_dir` holds the operator's own model
    own_server: bool = False  # somebody runs it: it has no address of its own, and often no secret
    credit: str | None = None  # what its licence asks us to say
    only_named: bool = False  # never chosen by `auto`: it needs more than a key or an address

    def found(self, secrets: Mapping[str, str], endpoints: Mapping[str, str]) -> tuple[str, ...] | None:
        """The names of a complete set of what it needs among these; None where there is none."""
        if self.own_server:
            return (f"endpoints.{self.endpoint}",) if endpoints.get(self.endpoint) else None
        for names in (self.secrets, self.or_secrets) if self.or_secrets else (self.secrets,):
            if all(secrets.get(name) for name in names):
                return names
        return None

    @property
    def wanted(self) -> str:
        """What it needs, as a sentence names it."""
        if self.own_server:
            return f"endpoints.{self.endpoint}"
        sets = [" and ".join(names) for names in (self.secrets, self.or_secrets) if names]
        return ", or ".join(sets)


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """Which vendor serves, and why, in words for the start-up line and `GET /`."""

    name: str
    vendor: Vendor
    reason: str


def choose_engines(
    kind: str,
    wanted: Sequence[str],
    vendors: Mapping[str, Vendor],
    secrets: Mapping[str, str],
    endpoints: Mapping[str, str],
) -> tuple[EngineChoice, ...]:
    """Which engines of a kind ("llm", "tts", ...) serve, each where those before it fail; none of them twice.

    `vendors` is in order of preference, the last needs nothing. `endpoints` are the addresses by their keys.

    Raises:
        EngineUnavailable: a name is unknown, or a vendor named explicitly lacks what it needs.
    """
    chosen: dict[str, EngineChoice] = {}
    for name in wanted:
        choice = (
            _first_found(kind, vendors, secrets, endpoints)
            if name == "auto"
            else _named(kind, name, vendors, secrets, endpoints)
        )
        chosen.setdefault(choice.name, choice)
    return tuple(chosen.values())


def _first_found(
    kind: str, vendors: Mapping[str, Vendor], secrets: Mapping[str, str], endpoints: Mapping[str, str]
) -> EngineChoice:
    lacking: list[str] = []
    for name, vendor in vendors.items():
        if vendor.only_named:
            continue
        found = vendor.found(secrets, endpoints)
        if found is not None:
            because = f"{' and '.join(found)} set" if found else f"{', '.join(lacking)} not set"
            return EngineChoice(name, vendor, because if found or lacking else "the only one")
        lacking += [secret for secret in (*vendor.secrets, *vendor.or_secrets) if not secrets.get(secret)]
    raise EngineUnavailable(f"engines.{kind}: no engine can be opened; set {' or '.join(lacking)}")


def _named(
    kind: str, name: str, vendors: Mapping[str, Vendor], secrets: Mapping[str, str], endpoints: Mapping[str, str]
) -> EngineChoice:
    if name not in vendors:
        raise EngineUnavailable(f"engines.{kind}: there is no engine {name!r}; use {' or '.join(('auto', *vendors))}")
    vendor = vendors[name]
    if vendor.found(secrets, endpoints) is None and vendor.own_server:
        raise EngineUnavailable(
            f"engines.{kind}: {name} needs {vendor.wanted}, which is not set; set it to the address of your server"
        )
    if vendor.found(secrets, endpoints) is None:
        raise EngineUnavailable(
            f"engines.{kind}: {name} needs {vendor.wanted}, which is not set; "
            "set it in the environment or in credentials.py, or choose auto"
        )
    return EngineChoice(name, vendor, "named in the configuration")

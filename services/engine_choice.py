"""The vendors there are and the secrets there are in; which engine of a kind serves, and why, out."""

from collections.abc import Mapping
from dataclasses import dataclass


class EngineUnavailable(Exception):
    """A wanted engine cannot be opened; str(error) says why and what to do, in one sentence for the operator."""


@dataclass(frozen=True, slots=True)
class Vendor:
    """A row of a vendor table: the module under `services.vendors` and the secrets it cannot do without."""

    module: str
    secrets: tuple[str, ...] = ()  # names as in the environment, e.g. DOUBAO_API_KEY
    or_secrets: tuple[str, ...] = ()  # another set that serves as well
    credit: str | None = None  # what its licence asks us to say
    only_named: bool = False  # never chosen by `auto`: it needs more than a key

    def found(self, secrets: Mapping[str, str]) -> tuple[str, ...] | None:
        """The names of a complete set among these secrets; None where there is none."""
        for names in (self.secrets, self.or_secrets) if self.or_secrets else (self.secrets,):
            if all(secrets.get(name) for name in names):
                return names
        return None

    @property
    def wanted(self) -> str:
        """Its sets of secrets, as a sentence names them."""
        sets = [" and ".join(names) for names in (self.secrets, self.or_secrets) if names]
        return ", or ".join(sets)


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """Which vendor serves, and why, in words for the start-up line and `GET /`."""

    name: str
    vendor: Vendor
    reason: str


def choose_engine(kind: str, wanted: str, vendors: Mapping[str, Vendor], secrets: Mapping[str, str]) -> EngineChoice:
    """Which engine of a kind ("llm", "tts", ...) serves. `vendors` is in order of preference, the last needs no secret.

    Raises:
        EngineUnavailable: `wanted` is unknown, or a vendor named explicitly lacks its secrets.
    """
    if wanted == "auto":
        lacking: list[str] = []
        for name, vendor in vendors.items():
            if vendor.only_named:
                continue
            found = vendor.found(secrets)
            if found is not None:
                because = f"{' and '.join(found)} set" if found else f"{', '.join(lacking)} not set"
                return EngineChoice(name, vendor, because if found or lacking else "the only one")
            lacking += [secret for secret in (*vendor.secrets, *vendor.or_secrets) if not secrets.get(secret)]
        raise EngineUnavailable(f"engines.{kind}: no engine can be opened; set {' or '.join(lacking)}")
    if wanted not in vendors:
        raise EngineUnavailable(f"engines.{kind}: there is no engine {wanted!r}; use {' or '.join(('auto', *vendors))}")
    if vendors[wanted].found(secrets) is None:
        raise EngineUnavailable(
            f"engines.{kind}: {wanted} needs {vendors[wanted].wanted}, which is not set; "
            "set it in the environment or in credentials.py, or choose auto"
        )
    return EngineChoice(wanted, vendors[wanted], "named in the configuration")

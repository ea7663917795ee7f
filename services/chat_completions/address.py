"""Pure: the address that an operator gave in, the one that requests are sent to out."""

from dataclasses import dataclass

from yarl import URL

from services.chat_completions.servers import PASTED
from services.engine_choice import EngineUnavailable


@dataclass(frozen=True, slots=True)
class Address:
    """`base` is what stands before `/chat/completions`; `mended` says what was made of the one given, "" if nothing."""

    base: URL
    mended: str = ""

    @property
    def chat(self) -> URL:
        return self.base.joinpath("chat", "completions")

    @property
    def models(self) -> URL:
        return self.base.joinpath("models")

    @property
    def host(self) -> str:
        return self.base.host or ""

    @property
    def exposed(self) -> bool:
        """Whether what is said can be read on its way."""
        return self.base.scheme == "http" and self.host not in ("localhost", "127.0.0.1", "::1")


def read_address(endpoint: str, setting: str, *, root: str = "") -> Address:
    """The address of a server. `root`: the path of one that was given without any.

    Raises:
        EngineUnavailable: it cannot be one.
    """
    given = endpoint.strip()
    try:
        url = URL(given)
        usable = (
            url.scheme in ("http", "https") and bool(url.host) and not (url.user or url.query_string or url.fragment)
        )
    except ValueError:
        usable = False
    if not usable:
        raise EngineUnavailable(f"{setting} must be a plain http or https address, such as http://127.0.0.1:11434/v1")
    path = url.path.rstrip("/")
    behind = next((tail for tail in PASTED if path.endswith(f"/{tail}")), None)
    meant = path.removesuffix(f"/{behind}") if behind else path
    meant = meant or root
    mended = f"{setting} is taken for {url.with_path(meant)}" if behind or meant != path else ""
    return Address(url.with_path(meant), mended)

"""This machine: its port, disk, descriptors and sound devices."""

import errno
import http.client
import shutil
import socket
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from server.checkup.findings import Finding, Level, found
from server.config import Config

LEAST_FREE_BYTES = 1 << 30
OTHER_DESCRIPTORS = 100  # of the database, of connections to vendors, and of what Python has open itself
_PATIENCE_S = 3.0


def look_at_port(config: Config) -> Finding:
    """Whether a server could listen there, or one of ours does already."""
    host, port = config.server.host, config.server.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with closing(socket.socket(family, kind, protocol)) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            return _look_at_who_listens(host, port)
        return found("bad", "doctor_no_port", host=host, port=port, error=error.strerror or error)
    return found("good", "doctor_port_free", host=host, port=port)


def _look_at_who_listens(host: str, port: int) -> Finding:
    nearby = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    with closing(http.client.HTTPConnection(nearby, port, timeout=_PATIENCE_S)) as connection:
        try:
            connection.request("GET", "/ready")
            answer = connection.getresponse()
            status = answer.read(200).decode("utf-8", "replace").strip()
            if answer.status in (200, 503) and '"status"' in status:
                return found("good", "doctor_port_ours", port=port, status=status)
        except (OSError, http.client.HTTPException):
            pass
    return found("bad", "doctor_port_taken", port=port)


def look_at_disk(history: Path) -> Finding:
    """Where the history is, or will be."""
    folder = next(each for each in history.absolute().parents if each.exists())
    free = shutil.disk_usage(folder).free
    level: Level = "good" if free >= LEAST_FREE_BYTES else "doubt"
    return found(level, f"doctor_disk_{level}", folder=folder, megabytes=free >> 20)


def look_at_descriptors(config: Config) -> Iterator[Finding]:
    """A descriptor is needed for each connection."""
    if sys.platform == "win32":
        return
    import resource

    most, wanted = resource.getrlimit(resource.RLIMIT_NOFILE)[1], config.limits.connections + OTHER_DESCRIPTORS
    unlimited = most == resource.RLIM_INFINITY
    level: Level = "good" if unlimited or most >= wanted else "doubt"
    yield found(level, f"doctor_descriptors_{level}", most=most, wanted=wanted, connections=config.limits.connections)


def look_at_sound() -> Finding:
    """For the client alone, which may run elsewhere: so nothing of it is bad."""
    try:
        import sounddevice

        default_in, default_out = (sounddevice.query_devices(kind=kind)["name"] for kind in ("input", "output"))
    except ImportError:
        return found("good", "doctor_no_sound_library")
    except (OSError, ValueError) as error:  # PortAudio is missing, or there is no such device
        return found("good", "doctor_no_sound", error=error)
    return found("good", "doctor_sound", microphone=default_in, speaker=default_out)

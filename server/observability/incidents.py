"""A defect of ours in, its id in the log and in an error message out: the id and nothing else leaves the house."""

import uuid

import structlog

from server.protocol.wire import Error

log = structlog.get_logger()


def incident(**context: str) -> Error:
    """Log the exception that is being handled; what its user is told."""
    ref = uuid.uuid4().hex[:12]
    log.exception("incident", ref=ref, **context)
    return Error(f"Something went wrong on our side (incident {ref})", "internal", retryable=True, ref=ref)

"""Names of a request's headers in, whether a proxy passed it on out. Whom it stands for may be anybody."""

from collections.abc import Iterable

# Set by proxies, tunnels and CDNs, and by nobody who asks directly. Without capitals; one that ends with - is a family.
_MARKS = (
    "forwarded",  # RFC 7239
    "via",  # RFC 9110, 7.6.3
    "x-forwarded-",
    "x-forwarded",
    "forwarded-for",
    "x-forward-for",
    "x-real-",
    "x-client-ip",
    "client-ip",
    "x-cluster-client-ip",
    "x-proxyuser-ip",
    "x-original-",
    "x-envoy-",
    "true-client-ip",
    "cf-",  # Cloudflare
    "cdn-loop",  # RFC 8586
    "fastly-",
    "akamai-",
    "x-akamai-",
    "x-amz-cf-",
    "x-amzn-",
    "x-azure-",
    "x-arr-",
    "x-appengine-",
    "x-cloud-trace-context",
    "x-vercel-",
    "fly-",
    "ngrok-",
    "tailscale-",
)


_WHOLE = frozenset(mark for mark in _MARKS if not mark.endswith("-"))
_FAMILIES = tuple(mark for mark in _MARKS if mark.endswith("-"))


def forwarded_by(names: Iterable[str]) -> str | None:
    """The first header that only a proxy sends, as the table above spells it; None where there is none."""
    for name in names:
        lower = name.lower()
        if lower in _WHOLE:
            return lower
        if lower.startswith(_FAMILIES):
            return next(mark for mark in _FAMILIES if lower.startswith(mark))
    return None

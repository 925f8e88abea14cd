"""What our pages may load and run: files of this gateway, and nothing that a text smuggles in."""

import base64
import hashlib
import re

_INLINE = re.compile(rb"<script type=\"importmap\">(.*?)</script>", re.DOTALL)


_SCRIPT = re.compile(rb"<script>(.*?)</script>", re.DOTALL)
_STYLE = re.compile(rb"<style>(.*?)</style>", re.DOTALL)


def content_policy(page: bytes) -> str:
    """Write the policy of a page (CSP 3): of inline scripts it may have its import map alone."""
    sources = ["'self'", *(f"'sha256-{_digest(text)}'" for text in _INLINE.findall(page))]
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {' '.join(sources)}",
            "style-src 'self'",
            "img-src 'self' data: blob:",
            "connect-src 'self'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def schema_policy(page: bytes) -> str:
    """Write the policy of the page over the API: its own script and sheet, and questions to us."""
    return "; ".join(
        (
            "default-src 'none'",
            f"script-src {_hash_of(_SCRIPT, page)}",
            f"style-src {_hash_of(_STYLE, page)}",
            "connect-src 'self'",
            "img-src 'self'",
            "form-action 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    )


def report_policy(page: bytes) -> str:
    """Write the policy of a report: its sheet alone, whatever its figures are called."""
    return f"default-src 'none'; style-src {_hash_of(_STYLE, page)}; sandbox"


def _hash_of(part: re.Pattern[bytes], page: bytes) -> str:
    """Name the first of its parts, which stands before any text from outside."""
    own = part.search(page)
    return "'none'" if own is None else f"'sha256-{_digest(own[1])}'"


def _digest(text: bytes) -> str:
    return base64.b64encode(hashlib.sha256(text).digest()).decode()

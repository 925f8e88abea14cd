"""What the page may load and run: files of this gateway, and nothing that a text smuggles in."""

import base64
import hashlib
import re

_INLINE = re.compile(rb"<script type=\"importmap\">(.*?)</script>", re.DOTALL)


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


def _digest(text: bytes) -> str:
    return base64.b64encode(hashlib.sha256(text).digest()).decode()

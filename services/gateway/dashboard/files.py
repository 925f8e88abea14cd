"""Every file of the page, read and compressed once: a gateway has better to do while it serves.

The page names its files under the digest of all of them (`/ui/<digest>/app.js`), so that a browser
keeps them for good and never mixes two versions. Under another digest, a gateway of another
version, the file is answered, too, and kept by nobody.
"""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from services.gateway.dashboard.policy import content_policy

FOLDER = Path(__file__).parent
PAGE = "index.html"
_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
_BASE = b'"./ui/'
_FOR_GOOD = "public, max-age=31536000, immutable"
_ASK_AGAIN = "no-cache"
_DIGEST_LENGTH = 16


@dataclass(frozen=True, slots=True)
class PageFile:
    """One file as it is answered; `packed` is empty where compressing saves nothing."""

    body: bytes
    packed: bytes
    media_type: str
    etag: str


@dataclass(frozen=True, slots=True)
class PageFiles:
    """The page, and every file by its path under `/ui/`."""

    files: dict[str, PageFile]
    digest: str
    policy: str

    @property
    def page(self) -> PageFile:
        """What is answered at `/`."""
        return self.files[PAGE]

    def file_at(self, path: str) -> tuple[PageFile, str] | None:
        """Find a file by its path behind `/ui/`, and say how long it may be kept; None: no such."""
        digest, _, rest = path.lstrip("/").partition("/")
        if digest == self.digest and rest in self.files:
            return self.files[rest], _FOR_GOOD
        if len(digest) == _DIGEST_LENGTH and rest in self.files:
            return self.files[rest], _ASK_AGAIN
        plain = self.files.get(path.lstrip("/"))
        return None if plain is None else (plain, _ASK_AGAIN)


@cache
def page_files(folder: Path = FOLDER) -> PageFiles:
    """Read every file there is, but for the code of this room."""
    bodies = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.suffix in _TYPES and path.is_file()
    }
    together = hashlib.sha256()
    for name, body in bodies.items():
        together.update(f"{name}\n{len(body)}\n".encode() + body)
    digest = together.hexdigest()[:_DIGEST_LENGTH]
    bodies[PAGE] = bodies[PAGE].replace(_BASE, b'"./ui/%s/' % digest.encode())
    return PageFiles(
        files={name: _page_file(name, body) for name, body in bodies.items()},
        digest=digest,
        policy=content_policy(bodies[PAGE]),
    )


def _page_file(name: str, body: bytes) -> PageFile:
    packed = gzip.compress(body, 9, mtime=0)
    return PageFile(
        body=body,
        packed=packed if len(packed) < len(body) else b"",
        media_type=_TYPES[Path(name).suffix],
        etag=f'"{hashlib.sha256(body).hexdigest()[:32]}"',
    )

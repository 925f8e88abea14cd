"""Secrets looked for in bytes, in every form in which they might be written."""

import base64
import hashlib
from urllib.parse import quote

import httpx


def forms(secret: str, *, hashes: bool) -> set[bytes]:
    """Every way in which a secret might be written; `hashes` too for what is not hashed by design.

    Of base64 the part that does not depend on what stands before or behind.
    """
    raw = secret.encode()
    found = {raw, raw.hex().encode(), quote(secret).encode(), raw[::-1]}
    for before in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            found.add(encode(b"\0" * before + raw)[4 if before else 0 :].rstrip(b"=")[:-1])
    if hashes:
        for digest in (hashlib.sha256(raw), hashlib.sha1(raw), hashlib.md5(raw)):
            found |= {
                digest.digest(),
                digest.hexdigest().encode(),
                digest.hexdigest()[:16].encode(),
            }
            found.add(base64.b64encode(digest.digest()).rstrip(b"="))
    return {form for form in found if len(form) >= 12}


class Search:
    """Secrets by name, and where any of their forms was found."""

    def __init__(self) -> None:
        self.forms: dict[bytes, str] = {}
        self.found: list[str] = []
        self.places: dict[str, int] = {}

    def add(self, name: str, secret: str, *, hashes: bool = False) -> None:
        self.forms |= dict.fromkeys(forms(secret, hashes=hashes), name)

    def look(self, place: str, text: bytes | str) -> None:
        found = text.encode() if isinstance(text, str) else text
        kind = place.partition(" ")[0]
        self.places[kind] = self.places.get(kind, 0) + len(found)
        for form, name in self.forms.items():
            at = found.find(form)
            if at >= 0:
                around = found[max(0, at - 80) : at + len(form) + 40]
                self.found.append(f"{name} in {place}: {around!r}")

    def answer(self, place: str, answer: httpx.Response) -> httpx.Response:
        self.look(f"answer {place}", str(answer.headers) + "\n" + answer.text)
        return answer

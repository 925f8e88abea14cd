"""The Jimeng-style API as values: a request in, what it asks for, an answer out.

Refusals come as the real one gives them: HTTP 200 with a negative `code` and no data.
"""

import base64
import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from demo import pictures
from demo.dialects import PICTURES, BackendRefusal, DemoBackend, Form
from demo.door import DemoAnswer, Incoming

BAD_PARAMETER = -2000
CONTENT_REJECTED = -2006
QUOTA_USED_UP = -2009

REJECTED_WORDS = ("forbidden", "违禁")
PICTURES_MAX = 20
MODELS = ("jimeng-4.0", "jimeng-3.1", "jimeng-3.0", "jimeng-video-3.0", "jimeng-video-2.0")

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(dict[str, Any])
_PIECE_BYTES = 48 * 1024
_PART_NAME = re.compile(rb'name="([^"]*)"')
_DEMO_BYTES = re.compile(r"demo-bytes=(\d+)")
_SIZE = re.compile(r"(\d{2,4})x(\d{2,4})")
_RATIO = re.compile(r"(\d{1,2}):(\d{1,2})")
_SIDE = 1024
_CLIP_SIDE = 320


@dataclass(slots=True)
class WantedGeneration:
    """What a generation request asks for."""

    service: str
    fields: dict[str, Any]
    prompt: str
    n: int
    is_chat: bool
    big_bytes: int
    """Bytes of picture to answer with instead of a drawn one; 0: draw."""

    @property
    def streamed(self) -> bool:
        """Whether the answer comes as server-sent events."""
        return self.is_chat and self.fields.get("stream") is True


def service_of(path: str) -> str:
    """Say which service type a path generates, or nothing; a chat may still turn to video."""
    if "/avatar" in path or "/digital-human" in path:
        return "avatar"
    if path == "/v1/videos/generations":
        return "video"
    if path == "/v1/chat/completions" or path.startswith("/v1/images/"):
        return "image"
    return ""


def as_refusal(code: int, message: str) -> DemoAnswer:
    """Refuse as the real one does."""
    return json_answer({"code": code, "message": message, "data": None})


def json_answer(body: Any, status: int = 200) -> DemoAnswer:
    """Answer with JSON."""
    return DemoAnswer(status, _encoder.encode(body))


def parse_generation(
    incoming: Incoming, service: str, backend: DemoBackend | None = None
) -> WantedGeneration | DemoAnswer:
    """Understand a generation request, or refuse it, as `backend` would."""
    try:
        form = _read_form(incoming)
    except (msgspec.DecodeError, ValueError):
        return as_refusal(BAD_PARAMETER, "the body is neither JSON nor multipart")
    refused = backend.refusal_of(incoming.path, form) if backend is not None else None
    if backend is not None and refused is not None:
        return backend_refusal(backend, refused)
    return _parse_fields(incoming, service, form.fields, backend)


def backend_refusal(backend: DemoBackend, refused: BackendRefusal) -> DemoAnswer:
    """Refuse as `backend` does, with the status that it has for it."""
    out = as_refusal(*refused)
    out.status = backend.status_of(refused.code)
    return out


def _parse_fields(
    incoming: Incoming, service: str, fields: dict[str, Any], backend: DemoBackend | None
) -> WantedGeneration | DemoAnswer:
    """Understand the fields of a generation request, or refuse them."""
    if backend is not None:
        # Taken and ignored; every call makes as many.
        fields = {**fields, "n": PICTURES if incoming.path == "/v1/images/generations" else 1}
    is_chat = incoming.path == "/v1/chat/completions"
    if is_chat and "video" in str(fields.get("model", "")):
        service = "video"
    prompt = _chat_prompt(fields) if is_chat else fields.get("prompt", "")
    if not isinstance(prompt, str) or (not prompt and service != "avatar"):
        return as_refusal(BAD_PARAMETER, "prompt: expected a text")
    if any(word in prompt for word in REJECTED_WORDS):
        return as_refusal(CONTENT_REJECTED, "the content was rejected")
    try:
        n = int(1 if fields.get("n") is None else fields["n"])
        big = int(incoming.header(b"x-demo-bytes") or 0)
    except (TypeError, ValueError):
        return as_refusal(BAD_PARAMETER, "n: expected a number")
    if not 1 <= n <= PICTURES_MAX:
        return as_refusal(BAD_PARAMETER, f"n: expected 1 to {PICTURES_MAX}")
    asked = _DEMO_BYTES.search(prompt)
    return WantedGeneration(service, fields, prompt, n, is_chat, int(asked[1]) if asked else big)


def generation_answer(want: WantedGeneration, public_url: str, interval_s: float) -> DemoAnswer:
    """Answer a generation request with what it asks for."""
    if want.big_bytes:
        return _big_answer(want.big_bytes)
    created = int(time.time())
    if want.is_chat:
        return _chat_answer(want, public_url, created, interval_s)
    if want.service != "image":
        return json_answer({"created": created, "data": [{"url": _clip_url(want, public_url)}]})
    names = [pictures.name_of(want.prompt, index, *_picture_size(want)) for index in range(want.n)]
    if want.fields.get("response_format") == "b64_json":
        drawn = [base64.b64encode(pictures.draw_picture(name) or b"").decode() for name in names]
        return json_answer(
            {"created": created, "data": [{"b64_json": picture} for picture in drawn]}
        )
    return json_answer(
        {"created": created, "data": [{"url": _picture_url(public_url, name)} for name in names]}
    )


def model_list(owner: str = "tidegate-demo") -> DemoAnswer:
    """List the models."""
    items = [{"id": name, "object": "model", "owned_by": owner} for name in MODELS]
    return json_answer({"object": "list", "data": items})


def token_check(incoming: Incoming) -> DemoAnswer:
    """Say whether a token lives: any that is not empty does."""
    try:
        token = _decoder.decode(incoming.kept).get("token")
    except msgspec.DecodeError:
        token = None
    return json_answer({"live": bool(token)})


def token_points(credentials: list[str]) -> DemoAnswer:
    """Say what points each token has; tokens are named by their hash."""
    points = {"giftCredit": 60, "purchaseCredit": 0, "vipCredit": 0, "totalCredit": 60}
    return json_answer([{"token": name, "points": points} for name in credentials])


def zero_bytes(length: int, kind: str) -> DemoAnswer:
    """Answer with that many bytes, made as they go."""
    return DemoAnswer(kind=kind, pieces=_repeat_byte(length, b"\0"), length=length)


def picture_answer(incoming: Incoming) -> DemoAnswer | None:
    """Draw what a name stands for, or send as many bytes as asked."""
    folder, _, name = incoming.path[1:].partition("/")
    if incoming.method != "GET" or folder not in {"pictures", "videos"}:
        return None
    megabytes = incoming.query.get("mb", "")
    if name == "big" and megabytes.isdecimal():
        return zero_bytes(int(megabytes) * 1_000_000, "application/octet-stream")
    stem = name.removesuffix(".png")
    if folder == "pictures":
        picture, kind = pictures.draw_picture(stem), "image/png"
    else:
        picture, kind = pictures.draw_clip(stem), "image/apng"
    return None if picture is None else DemoAnswer(body=picture, kind=kind)


def _repeat_byte(length: int, byte: bytes) -> Iterator[bytes]:
    piece = byte * _PIECE_BYTES
    for _ in range(length // _PIECE_BYTES):
        yield piece
    if length % _PIECE_BYTES:
        yield byte * (length % _PIECE_BYTES)


def _big_answer(length: int) -> DemoAnswer:
    """Answer like a picture of that many base64 letters."""
    before = b'{"created":%d,"data":[{"b64_json":"' % int(time.time())
    after = b'"}]}'

    def body_pieces() -> Iterator[bytes]:
        yield before
        yield from _repeat_byte(length, b"A")
        yield after

    return DemoAnswer(pieces=body_pieces(), length=len(before) + length + len(after))


def _chat_answer(
    want: WantedGeneration, public_url: str, created: int, interval_s: float
) -> DemoAnswer:
    """Answer a chat with its picture or clip, whole or as server-sent events."""
    if want.service == "image":
        name = pictures.name_of(want.prompt, 0, *_picture_size(want))
        lines = [f"![image_0]({_picture_url(public_url, name)})\n"]
    else:
        lines = [f"[video]({_clip_url(want, public_url)})\n"]
    identity = f"chatcmpl-{uuid.uuid4().hex}"
    model = str(want.fields.get("model") or MODELS[0])
    common: dict[str, Any] = {"id": identity, "created": created, "model": model}
    if not want.streamed:
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        message = {"role": "assistant", "content": "".join(lines)}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        body = {**common, "object": "chat.completion", "choices": [choice], "usage": usage}
        return json_answer(body)
    deltas: list[dict[str, str]] = [{"role": "assistant", "content": "drawing "}]
    deltas += [{"content": f"{percent}% "} for percent in (25, 50, 75)]
    deltas += [{"content": line} for line in lines]
    chunks: list[dict[str, Any]] = [
        {"index": 0, "delta": delta, "finish_reason": None} for delta in deltas
    ]
    chunks.append({"index": 0, "delta": {}, "finish_reason": "stop"})
    events = [
        b"data: %b\n\n"
        % _encoder.encode({**common, "object": "chat.completion.chunk", "choices": [chunk]})
        for chunk in chunks
    ]
    events.append(b"data: [DONE]\n\n")
    return DemoAnswer(kind="text/event-stream", pieces=events, pause_s=interval_s)


def _chat_prompt(fields: dict[str, Any]) -> Any:
    """Find the last message's text."""
    messages = fields.get("messages")
    if not isinstance(messages, list) or not messages or not isinstance(messages[-1], dict):
        return None
    content = messages[-1].get("content")
    if isinstance(content, list):
        parts = [part.get("text", "") for part in content if isinstance(part, dict)]
        return " ".join(part for part in parts if isinstance(part, str))
    return content


def _read_form(incoming: Incoming) -> Form:
    """Read the fields of a JSON or multipart body, as far as they stand in its first MB."""
    kind = incoming.header(b"content-type")
    if not kind.startswith("multipart/"):
        return Form(_decoder.decode(incoming.kept), [], is_form=False)
    boundary = kind.partition("boundary=")[2].strip('"')
    if not boundary:
        raise ValueError("no boundary")
    fields: dict[str, Any] = {}
    files = []
    for part in incoming.kept.split(b"--" + boundary.encode("latin-1")):
        head, _, content = part.partition(b"\r\n\r\n")
        name = _PART_NAME.search(head)
        if name is None:
            continue
        if b"filename=" in head:
            files.append(name[1].decode(errors="replace"))
        else:
            fields[name[1].decode(errors="replace")] = content[:-2].decode(errors="replace")
    return Form(fields, files, is_form=True)


def _picture_size(want: WantedGeneration) -> tuple[int, int]:
    """Find the size asked for, by `size` or by `ratio`."""
    size = _SIZE.fullmatch(str(want.fields.get("size", "")))
    if size is not None:
        return _clamp_side(int(size[1])), _clamp_side(int(size[2]))
    ratio = _RATIO.fullmatch(str(want.fields.get("ratio", "")))
    if ratio is None or not int(ratio[1]) or not int(ratio[2]):
        return _SIDE, _SIDE
    across, down = int(ratio[1]), int(ratio[2])
    longest = max(across, down)
    return _clamp_side(_SIDE * across // longest), _clamp_side(_SIDE * down // longest)


def _clamp_side(side: int) -> int:
    return min(max(side, pictures.SIDE_MIN), pictures.SIDE_MAX)


def _picture_url(public_url: str, name: str) -> str:
    return f"{public_url}/pictures/{name}.png"


def _clip_url(want: WantedGeneration, public_url: str) -> str:
    name = pictures.name_of(want.prompt, 0, _CLIP_SIDE, _CLIP_SIDE * 9 // 16)
    return f"{public_url}/videos/{name}.png"

"""What parent and child say to each other: a frame is a head in JSON, then rows or nothing."""

import struct
from datetime import datetime
from typing import BinaryIO, TypeVar

import msgspec

_LENGTHS = struct.Struct(">II")
_FRAME_MAX = 2**28
_Head = TypeVar("_Head")


class OpenCopy(msgspec.Struct, frozen=True, tag="open"):
    """Close the file that is open; open this one, if any, for reading alone."""

    path: str = ""


class SqlQuestion(msgspec.Struct, frozen=True, tag="question"):
    """Answer one SELECT with at most so many rows, and so many bytes of them as JSON."""

    query: str
    now: datetime
    rows_max: int
    bytes_max: int


class SqlAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it; when there is no `error` the rows follow, each a line of JSON."""

    error: str = ""
    out_of_memory: bool = False
    columns: list[str] = []
    truncated: bool = False
    sequence: int = 0


class FrameError(Exception):
    """The other side ended, or does not speak these words."""


command = msgspec.json.Decoder(OpenCopy | SqlQuestion)
answer = msgspec.json.Decoder(SqlAnswer)


def send_frame(pipe: BinaryIO, head: OpenCopy | SqlQuestion | SqlAnswer, body: bytes = b"") -> None:
    """Send one frame. Raises `OSError` when nobody listens."""
    text = msgspec.json.encode(head)
    pipe.write(_LENGTHS.pack(len(text), len(body)) + text)
    pipe.write(body)
    pipe.flush()


def receive_frame(pipe: BinaryIO, decoder: "msgspec.json.Decoder[_Head]") -> tuple[_Head, bytes]:
    """Wait for one frame. Raises `FrameError`."""
    head, body = _LENGTHS.unpack(_read_exactly(pipe, _LENGTHS.size))
    if head + body > _FRAME_MAX:
        raise FrameError(f"a frame of {head + body} bytes")
    try:
        return decoder.decode(_read_exactly(pipe, head)), _read_exactly(pipe, body)
    except msgspec.DecodeError as error:
        raise FrameError(str(error)) from None


def _read_exactly(pipe: BinaryIO, size: int) -> bytes:
    content = pipe.read(size)
    if len(content) < size:
        raise FrameError("the pipe ended")
    return content

"""Pictures drawn from their own name: nothing is kept, and nothing is drawn before it is fetched.

A name holds sky, ground and shape colours (hex RGB), the shape, a seed and the size. The files
are PNG with a palette (PNG specification, third edition); a clip is an animated PNG.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from functools import lru_cache
from hashlib import sha256
from math import sqrt

_COLOURS = {
    "red": 0xD7263D,
    "orange": 0xF46036,
    "yellow": 0xF7D002,
    "gold": 0xD4A017,
    "green": 0x1B998B,
    "forest": 0x2D6A4F,
    "blue": 0x2E86DE,
    "sea": 0x0E4D92,
    "purple": 0x6C3483,
    "pink": 0xFF8FA3,
    "white": 0xF5F5F5,
    "black": 0x111111,
    "snow": 0xE8F1F2,
    "night": 0x0B1D3A,
    "sunset": 0xFF7B54,
}
_SHAPES = (
    ("circle", "sun", "moon", "ball", "cat", "apple"),
    ("square", "house", "box", "robot", "city"),
    ("triangle", "mountain", "tree", "pyramid", "tide"),
    ("diamond", "star", "gem", "crystal", "kite"),
    ("ring", "wheel", "planet", "donut", "eye"),
)
_NAME = re.compile(r"([0-9a-f]{6})([0-9a-f]{6})([0-9a-f]{6})([0-4])([0-9a-f]{8})-(\d+)x(\d+)")
_SKY = 254
"""Palette entries of the background; the last two are the shape and its edge."""
SIDE_MIN, SIDE_MAX = 16, 2048
FRAMES = 8


def name_of(prompt: str, index: int, width: int, height: int) -> str:
    """Name the picture of a prompt; the words in it choose colours and shape."""
    digest = sha256(f"{index}:{prompt}".encode()).digest()
    words = re.findall(r"[a-z]+", prompt.lower())
    chosen = [_COLOURS[word] for word in words if word in _COLOURS]
    spare = [int.from_bytes(digest[at : at + 3]) for at in (0, 3, 6)]
    fore, sky, ground = (*chosen, *spare)[:3]
    shape = next(
        (number for number, names in enumerate(_SHAPES) if not set(names).isdisjoint(words)),
        digest[9] % len(_SHAPES),
    )
    return f"{sky:06x}{ground:06x}{fore:06x}{shape}{digest[10:14].hex()}-{width}x{height}"


@lru_cache(maxsize=32)
def draw_picture(name: str) -> bytes | None:
    """Draw a picture as PNG; None for a name that is none of ours."""
    drawing = _parse_name(name)
    if drawing is None:
        return None
    head, width, height, shape, seed = drawing
    pixels = zlib.compress(b"".join(_pixel_rows(width, height, shape, seed, 0.0)), 1)
    return head + _png_chunk(b"IDAT", pixels) + _png_chunk(b"IEND", b"")


@lru_cache(maxsize=8)
def draw_clip(name: str) -> bytes | None:
    """Draw a clip of `FRAMES` frames, the shape wandering, as animated PNG."""
    drawing = _parse_name(name)
    if drawing is None:
        return None
    head, width, height, shape, seed = drawing
    parts = [head, _png_chunk(b"acTL", struct.pack(">II", FRAMES, 0))]
    sequence = 0
    for frame in range(FRAMES):
        control = struct.pack(">IIIIIHHBB", sequence, width, height, 0, 0, 1, FRAMES, 0, 0)
        parts.append(_png_chunk(b"fcTL", control))
        sequence += 1
        shift = frame / FRAMES - 0.5
        pixels = zlib.compress(b"".join(_pixel_rows(width, height, shape, seed, shift)), 1)
        if frame == 0:
            parts.append(_png_chunk(b"IDAT", pixels))
        else:
            parts.append(_png_chunk(b"fdAT", struct.pack(">I", sequence) + pixels))
            sequence += 1
    return b"".join((*parts, _png_chunk(b"IEND", b"")))


def _parse_name(name: str) -> tuple[bytes, int, int, int, int] | None:
    """Read a name: the head of its PNG, width, height, shape, seed; None for another."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    width, height = int(match[6]), int(match[7])
    if not (SIDE_MIN <= width <= SIDE_MAX and SIDE_MIN <= height <= SIDE_MAX):
        return None
    sky, ground, fore = (bytes.fromhex(match[part]) for part in (1, 2, 3))
    palette = b"".join(
        bytes(
            (a * (_SKY - 1 - at) + b * at) // (_SKY - 1) for a, b in zip(sky, ground, strict=True)
        )
        for at in range(_SKY)
    )
    palette += fore + bytes(part // 2 for part in fore)
    head = (
        b"\x89PNG\r\n\x1a\n"
        + _png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0))
        + _png_chunk(b"PLTE", palette)
    )
    return head, width, height, int(match[4]), int(match[5], 16)


def _pixel_rows(width: int, height: int, shape: int, seed: int, shift: float) -> Iterator[bytes]:
    """Each row: its filter byte, background, and the shape's span with a darker edge."""
    radius = min(width, height) * (20 + seed % 16) // 100
    middle_x = int(width * (0.5 + shift * 0.6)) + (seed >> 8) % (width // 8 + 1) - width // 16
    middle_y = height // 2 + (seed >> 16) % (height // 8 + 1) - height // 16
    for y in range(height):
        ground = bytes((y * (_SKY - 1) // (height - 1),))
        half, hole = _shape_span(shape, radius, y - middle_y)
        if half <= 0:
            yield b"\0" + ground * width
            continue
        line = bytearray(ground * width)
        for left, right, colour in (
            (middle_x - half, middle_x + half, _SKY),
            (middle_x + half * 3 // 4, middle_x + half, _SKY + 1),
            (middle_x - hole, middle_x + hole, ground[0]),
        ):
            start, end = max(left, 0), min(right, width)
            if start < end:
                line[start:end] = bytes((colour,)) * (end - start)
        yield b"\0" + line


def _shape_span(shape: int, radius: int, dy: int) -> tuple[int, int]:
    """Half the shape's width, and half its hole's, `dy` below its middle."""
    if abs(dy) > radius:
        return 0, 0
    if shape == 1:
        return radius, 0
    if shape == 2:  # noqa: PLR2004 (the place in _SHAPES)
        return (dy + radius) // 2, 0
    if shape == 3:  # noqa: PLR2004
        return radius - abs(dy), 0
    half = int(sqrt(radius * radius - dy * dy))
    inner = radius // 2
    hole = int(sqrt(inner * inner - dy * dy)) if shape == 4 and abs(dy) < inner else 0  # noqa: PLR2004
    return half, hole


def _png_chunk(kind: bytes, content: bytes) -> bytes:
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))

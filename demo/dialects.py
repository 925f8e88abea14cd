"""The demo as one of four backends: what each takes, refuses and answers, as its source has it.

`jimeng` iptag/jimeng-api, `drraw` gdtiti/drraw_nopoint, `jimeng-free-all`
zhizinan1997/jimeng-free-api-all, `jimeng-free` LLM-Red-Team/jimeng-free-api (November 2026).
A refusal comes before anything is submitted; what is not refused is one submission, and makes four
pictures.
"""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

PICTURES = 4
_RATIOS = ("1:1", "4:3", "3:4", "16:9", "9:16", "3:2", "2:3", "21:9")
_RESOLUTIONS = ("1k", "2k", "4k")
_IMAGES_MAX = 10
_OLD = re.compile(r"jimeng-(?:xl|[12]\.|3\.)")
_STATUSES = {-2000: 400, -2003: 400, -2006: 400, -2002: 401, -2009: 402}


Fields = dict[str, Any]


class BackendRefusal(NamedTuple):
    """The envelope of a failure."""

    code: int
    message: str


class Form(NamedTuple):
    """A request's fields, and the names of its files."""

    fields: Fields
    files: list[str]
    is_form: bool


class DemoBackend(NamedTuple):
    """One of the four."""

    name: str
    paths: frozenset[str]
    owner: str
    statuses: dict[int, int]
    """HTTP status by code; what is not named: 500 where any is, else 200."""
    refuses: Callable[[str, Form], BackendRefusal | None]

    def status_of(self, code: int) -> int:
        """The HTTP status of a failure."""
        return self.statuses.get(code, 500) if self.statuses else 200

    def no_path(self, method: str, target: str) -> BackendRefusal:
        """Refuse a path that it does not have."""
        return BackendRefusal(-1000, _no_path(self.name, method, target))

    def refusal_of(self, path: str, form: Form) -> BackendRefusal | None:
        """Refuse a request that this backend does not take."""
        if path not in self.paths:
            return self.no_path("POST", path)
        if not isinstance(form.fields.get("prompt", ""), str):
            return BackendRefusal(-2000, "Params body.prompt invalid")
        return self.refuses(path, form)


def _no_path(backend: str, method: str, target: str) -> str:
    """Say that there is no such path, in the backend's words (src/lib/server.ts)."""
    hint = "请检查API文档确认正确的请求路径"
    if backend in {"jimeng-free-all", "jimeng-free"}:
        hint = "正确请求为 POST -> /v1/chat/completions"
    return f"[请求有误]: {hint}，当前请求为 {method} -> {target} 请纠正"  # noqa: RUF001


def _type_refusal(fields: Fields) -> BackendRefusal | None:
    """Types that all of them insist on; in a form every value is a text."""
    for name in ("sample_strength", "width", "height"):
        if name in fields and not _is_number(fields[name]):
            return BackendRefusal(-2000, f"Params body.{name} invalid")
    if "intelligent_ratio" in fields and not isinstance(fields["intelligent_ratio"], bool):
        return BackendRefusal(-2000, "Params body.intelligent_ratio invalid")
    for name in ("model", "ratio", "resolution", "negative_prompt", "response_format"):
        if name in fields and not isinstance(fields[name], str):
            return BackendRefusal(-2000, f"Params body.{name} invalid")
    return None


def _ratio_refusal(path: str, form: Form) -> BackendRefusal | None:
    """I and D: `size`, `width` and `height` are refused, ratio and resolution looked up."""
    fields = form.fields
    if path.startswith("/v1/images/"):
        named = [name for name in ("size", "width", "height") if name in fields]
        if named:
            said = ", ".join(named)
            return BackendRefusal(
                -1000, f"不支持的参数: {said}。请使用 ratio 和 resolution 参数控制图像尺寸。"
            )
        if not (form.is_form and path.endswith("/compositions")):
            wrong = _type_refusal(fields)
            if wrong is not None:
                return wrong
        if path.endswith("/compositions"):
            wrong = _picture_refusal(form)
            if wrong is not None:
                return wrong
        return _lookup_refusal(fields)
    return _film_refusal(fields, form)


def _picture_refusal(form: Form) -> BackendRefusal | None:
    """I and D: refuse what a picture may not ask for."""
    if form.is_form:
        count = form.files.count("images")
        none = "在form-data中缺少 'images' 字段"
    else:
        images = form.fields.get("images")
        if not isinstance(images, list):
            return BackendRefusal(-2000, "Params body.images invalid")
        count, none = len(images), "至少需要提供1张输入图片"
        for number, image in enumerate(images, 1):
            if isinstance(image, dict) and not image.get("url"):
                return BackendRefusal(-1000, f"图片 {number} 缺少url字段")
    if not count:
        return BackendRefusal(-1000, none)
    return BackendRefusal(-1000, "最多支持10张输入图片") if count > _IMAGES_MAX else None


def _lookup_refusal(fields: Fields) -> BackendRefusal | None:
    resolution, ratio = fields.get("resolution", "2k"), fields.get("ratio", "1:1")
    if resolution not in _RESOLUTIONS:
        return BackendRefusal(
            -1000, f'不支持的分辨率 "{resolution}"。支持的分辨率: {", ".join(_RESOLUTIONS)}'
        )
    if ratio not in _RATIOS:
        values = ", ".join(_RATIOS)
        message = f'在 "{resolution}" 分辨率下，不支持的比例 "{ratio}"。支持的比例: {values}'  # noqa: RUF001
        return BackendRefusal(-1000, message)
    if _OLD.match(str(fields.get("model", ""))) and resolution != "1k" and "resolution" in fields:
        return BackendRefusal(-2001, "[请求失败]: 积分不足 (错误码: 1006)")
    return None


_LENGTHS = (
    (("veo3",), (8,), "veo3 模型仅支持 8 秒时长"),
    (("sora2",), (4, 8, 12), "sora2 模型仅支持 4、8、12 秒时长"),
    (("3.5-pro", "3.5_pro"), (5, 10, 12), "3.5-pro 模型仅支持 5、10、12 秒时长"),
    (("seedance-2.0",), tuple(range(4, 16)), "seedance 2.0/2.0-fast 模型支持 4~15 秒时长"),
    (("",), (5, 10), "该模型仅支持 5、10 秒时长"),
)


def _film_refusal(fields: Fields, form: Form) -> BackendRefusal | None:
    """I: refuse what a film may not ask for."""
    duration = fields.get("duration")
    if duration is None:
        return None
    text = str(duration)
    if not form.is_form and not _is_number(duration):
        return BackendRefusal(-1000, "duration 参数格式错误")
    if not text.isdecimal():
        return BackendRefusal(-1000, f"duration 必须是整数，当前值: {text}")  # noqa: RUF001
    model = str(fields.get("model", "jimeng-video-3.5-pro"))
    lengths, message = next(
        (lengths, message)
        for parts, lengths, message in _LENGTHS
        if any(part in model for part in parts)
    )
    if int(text) in lengths:
        return None
    return BackendRefusal(-1000, f"{message}，当前值: {text}")  # noqa: RUF001


def _short_film_refusal(path: str, form: Form) -> BackendRefusal | None:
    """D: as I, but a film is of 5 or 10 s, whatever its model."""
    if path == _VIDEOS and str(form.fields.get("duration", 5)) not in {"5", "10"}:
        return BackendRefusal(-2000, "Params body.duration invalid")
    return _ratio_refusal(path, form)


def _all_refusal(_: str, form: Form) -> BackendRefusal | None:
    """Z: wrong words are silently replaced, `size` is ignored."""
    wrong = _type_refusal(form.fields)
    if wrong is None and "duration" in form.fields and not _is_number(form.fields["duration"]):
        return BackendRefusal(-2000, "Params body.duration invalid")
    return wrong


def _free_refusal(_: str, form: Form) -> BackendRefusal | None:
    """L: width and height, and nothing else about the size."""
    return _type_refusal(form.fields)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


_IMAGES, _VIDEOS = "/v1/images/generations", "/v1/videos/generations"
_COMPOSITIONS, _CHAT = "/v1/images/compositions", "/v1/chat/completions"
BACKENDS = {
    "jimeng": DemoBackend(
        "jimeng",
        frozenset({_IMAGES, _COMPOSITIONS, _VIDEOS}),
        "jimeng-api",
        {},
        _ratio_refusal,
    ),
    "drraw": DemoBackend(
        "drraw",
        frozenset({_IMAGES, _COMPOSITIONS, _VIDEOS, _CHAT}),
        "jimeng-api",
        _STATUSES,
        _short_film_refusal,
    ),
    "jimeng-free-all": DemoBackend(
        "jimeng-free-all",
        frozenset({_IMAGES, _VIDEOS, _CHAT}),
        "jimeng-image",
        {},
        _all_refusal,
    ),
    "jimeng-free": DemoBackend(
        "jimeng-free",
        frozenset({_IMAGES, _CHAT}),
        "jimeng-free-api",
        {},
        _free_refusal,
    ),
}
"""By the name that `[[servers]] dialect` has for them."""

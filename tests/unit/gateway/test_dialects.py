"""What a request becomes for a server that understands something else."""

import json
from typing import Any

import pytest

from services.gateway.dialects import chat
from services.gateway.dialects.forms import mend_surrogates
from services.gateway.dialects.references import addresses_in, is_reference
from services.gateway.dialects.table import FAMILY, is_translated, translate_asked
from services.gateway.dialects.words import (
    FILM_SUBMITTED_AFTER_S,
    SUBMITTED_AFTER_S,
    Asked,
    File,
    Span,
    Translation,
    UntranslatableError,
)

IMAGES, COMPOSITIONS = "/v1/images/generations", "/v1/images/compositions"
EDITS, VIDEOS, CHAT = "/v1/images/edits", "/v1/videos/generations", "/v1/chat/completions"
BY_RATIO = ("jimeng", "drraw", "jimeng-free-all")


def client_asks(path: str, form: tuple[str, ...] | None = None, **fields: Any) -> Asked:
    files = tuple(
        File(name, f"{number}.png", "image/png", Span(number * 10, 5))
        for number, name in enumerate(form or ())
    )
    return Asked(path, "request-1", fields, files, is_form=form is not None)


def body(translation: Translation) -> Any:
    assert translation.pieces is not None
    (text,) = translation.pieces
    assert isinstance(text, bytes)
    return json.loads(text)


def untranslatable(dialect: str, request: Asked) -> tuple[str, str | None]:
    with pytest.raises(UntranslatableError) as refused:
        translate_asked(dialect, request)
    return refused.value.message, refused.value.param


def test_plain_and_what_only_a_later_version_knows_translate_nothing() -> None:
    assert not is_translated("plain")
    assert not is_translated("of-tomorrow")
    assert all(map(is_translated, FAMILY))


@pytest.mark.parametrize("dialect", FAMILY)
def test_what_needs_no_translation_passes_byte_for_byte(dialect: str) -> None:
    found = translate_asked(
        dialect, client_asks(IMAGES, prompt="a gate", model="jimeng-4.0", n=4, user="u")
    )

    assert found == Translation(path=IMAGES, results_included=4)


@pytest.mark.parametrize("dialect", BY_RATIO)
@pytest.mark.parametrize(
    ("size", "model", "ratio", "resolution"),
    [
        ("1024x1024", "jimeng-4.0", "1:1", "2k"),
        ("1024x1024", "jimeng-3.1", "1:1", "1k"),
        ("1024x1024", "jimeng-3.0", "1:1", "1k"),
        ("1536x1024", "", "3:2", "2k"),
        ("1024x1536", "dall-e-3", "2:3", "2k"),
        ("1792x1024", "jimeng-4.5", "16:9", "2k"),
        ("4096x4096", "jimeng-4.5", "1:1", "4k"),
        ("3500x1970", "jimeng-4.5", "16:9", "4k"),
        (" 1024 × 1024 ", "jimeng-4.5", "1:1", "2k"),  # noqa: RUF001
    ],
)
def test_size_becomes_ratio_and_resolution(
    dialect: str, size: str, model: str, ratio: str, resolution: str
) -> None:
    given = {"model": model} if model else {}

    found = translate_asked(dialect, client_asks(IMAGES, prompt="p", size=size, **given))

    assert body(found) == {"prompt": "p", **given, "ratio": ratio, "resolution": resolution}
    assert found.told == f"size={size} → ratio={ratio}, resolution={resolution}"
    assert found.content_type == "application/json"
    assert found.body_length == sum(map(len, found.pieces or ()))


@pytest.mark.parametrize("dialect", BY_RATIO)
def test_width_and_height_are_a_size_too_and_words_of_its_own_win(dialect: str) -> None:
    given = {"prompt": "p", "resolution": "4k"}
    found = translate_asked(
        dialect, client_asks(IMAGES, width=2560, height="1440", ratio="16:9", **given)
    )

    assert body(found) == {"ratio": "16:9", **given}


@pytest.mark.parametrize("dialect", BY_RATIO)
@pytest.mark.parametrize("size", ["auto", "", None])
def test_size_that_says_nothing_is_left_out(dialect: str, size: str | None) -> None:
    found = translate_asked(dialect, client_asks(IMAGES, prompt="p", size=size, style=None))

    assert body(found) == {"prompt": "p"}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"size": "big"}, "size"),
        ({"stream": True}, "stream"),
        ({"size": "1000x400"}, "size"),
        ({"size": "00x00"}, "size"),
        ({"width": 0, "height": 5}, "width"),
        ({"width": 10}, "height"),
        ({"ratio": "5:4"}, "ratio"),
        ({"resolution": "8k"}, "resolution"),
        ({"resolution": "2k", "model": "jimeng-3.0"}, "resolution"),
        ({"resolution": "1k", "model": "jimeng-4.0"}, "resolution"),
        ({"n": 5}, "n"),
        ({"n": "5"}, "n"),
        ({"n": 0}, "n"),
        ({"n": -1}, "n"),
        ({"n": 2.5}, "n"),
        ({"n": True}, "n"),
        ({"n": "many"}, "n"),
        ({"n": "9" * 5000}, "n"),
        ({"size": "1024x1024", "ratio": "16:9"}, "size"),
        ({"size": "1024x1024", "width": 512}, "size"),
        ({"width": True, "height": 5}, "width"),
        ({"prompt": 7}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"model": ["a"]}, "model"),
        ({"negative_prompt": 7}, "negative_prompt"),
        ({"response_format": "png"}, "response_format"),
        ({"sample_strength": "0.5"}, "sample_strength"),
        ({"sample_strength": True}, "sample_strength"),
        ({"sample_strength": 10**400}, "sample_strength"),
        ({"intelligent_ratio": "true"}, "intelligent_ratio"),
        ({"image": "https://a/b.png"}, "image"),
        ({"image_url": "https://a/b.png"}, "image_url"),
        ({"input_reference": "https://a/b.png"}, "input_reference"),
        ({"referenceImages": ["https://a/b.png"]}, "referenceImages"),
        ({"mask": "https://a/b.png"}, "mask"),
        ({"model": "m" * 1001}, "model"),
        ({"filePath": "/etc/passwd"}, "filePath"),
        ({"images": ["https://a/b.png", {"url": "file:///etc/passwd"}]}, "images"),
        ({"image_file_1": "ftp://x"}, "image_file_1"),
        ({"images": ["https://a/b.png"] * 11}, "images"),
        ({"image": "https://a/b.png", "images": [5]}, "image"),
    ],
)
def test_what_would_be_got_wrong_unnoticed_is_refused_by_name(
    fields: dict[str, Any], param: str
) -> None:
    message, named = untranslatable("jimeng", client_asks(IMAGES, **{"prompt": "p", **fields}))

    assert named == param
    assert "expected" in message


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"size": "1024x1536"}, {"width": 1024, "height": 1536}),
        ({"ratio": "16:9", "resolution": "2k"}, {"width": 2560, "height": 1440}),
        ({"ratio": "1:1"}, {"width": 1024, "height": 1024}),
        ({"resolution": "2k"}, {"width": 2048, "height": 2048}),
        ({"width": "640", "height": 480.0}, {"width": 640, "height": 480}),
        ({"width": 640, "height": 480, "ratio": "4:3"}, {"width": 640, "height": 480}),
        ({"width": 640, "height": 480, "size": "640x480"}, {"width": 640, "height": 480}),
        ({"size": "auto"}, {}),
    ],
)
def test_the_one_that_knows_pixels_gets_pixels(
    fields: dict[str, Any], expected: dict[str, int]
) -> None:
    found = translate_asked("jimeng-free", client_asks(IMAGES, prompt="p", **fields))

    assert body(found) == {"prompt": "p", **expected}


def test_pixels_that_it_knows_pass_as_they_are() -> None:
    request = client_asks(IMAGES, prompt="p", width=100, height=80)

    assert translate_asked("jimeng-free", request).pieces is None


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"width": 63, "height": 100}, "width"),
        ({"size": "100x9000"}, "height"),
        ({"resolution": "8k"}, "resolution"),
        ({"ratio": "16:9", "width": 100, "height": 100}, "size"),
    ],
)
def test_pixels_that_nobody_makes_are_refused(fields: dict[str, Any], param: str) -> None:
    assert untranslatable("jimeng-free", client_asks(IMAGES, prompt="p", **fields))[1] == param


@pytest.mark.parametrize(
    ("dialect", "path", "fields", "param"),
    [
        ("jimeng", VIDEOS, {"n": 2}, "n"),
        ("jimeng", COMPOSITIONS, {"n": 2, "images": ["https://x/a"]}, "n"),
        ("jimeng", VIDEOS, {"image_url": "https://x/a"}, "image_url"),
        ("jimeng", VIDEOS, {"first_frame_image": "https://x/a"}, "first_frame_image"),
        ("jimeng", VIDEOS, {"end_frame_image": "https://x/a"}, "end_frame_image"),
        ("jimeng", VIDEOS, {"input_reference": "https://x/a"}, "input_reference"),
        ("jimeng", VIDEOS, {"filepaths": ["https://x/a"]}, "filepaths"),
        ("jimeng", VIDEOS, {"file": "https://x/a"}, "file"),
        ("jimeng", VIDEOS, {"file_paths": ["/etc/passwd"]}, "file_paths"),
        ("jimeng", VIDEOS, {"file_paths": [None]}, "file_paths"),
        ("jimeng", VIDEOS, {"file_paths": ["https://x/a"] * 3}, "file_paths"),
        (
            "jimeng",
            VIDEOS,
            {"file_paths": ["https://x/a"], "filePaths": ["https://x/b"]},
            "filePaths",
        ),
        ("jimeng", VIDEOS, {"image_file_1": "https://x/a"}, "image_file_1"),
        ("jimeng", VIDEOS, {"functionMode": "other"}, "functionMode"),
        ("drraw", VIDEOS, {"functionMode": "omni_reference"}, "functionMode"),
        ("jimeng", VIDEOS, {"seconds": 5, "duration": 10}, "seconds"),
        ("jimeng", VIDEOS, {"size": "1280x720", "ratio": "1:1"}, "size"),
        ("jimeng", EDITS, {"image": "https://x/a", "images": ["https://x/b"]}, "image"),
        ("jimeng", EDITS, {}, "images"),
        ("jimeng", COMPOSITIONS, {"images": [None]}, "images"),
        ("jimeng", COMPOSITIONS, {"images": [{"no": 1}]}, "images"),
        ("jimeng", COMPOSITIONS, {"images": []}, "images"),
        ("jimeng", COMPOSITIONS, {"images": ["https://x/a"] * 11}, "images"),
        ("jimeng", COMPOSITIONS, {"images": [5]}, "images"),
        ("jimeng", COMPOSITIONS, {"image": "https://x/a"}, "image"),
        ("jimeng-free-all", IMAGES, {"image": "https://x/a"}, "image"),
    ],
)
def test_what_is_brought_along_and_not_read_is_refused(
    dialect: str, path: str, fields: dict[str, Any], param: str
) -> None:
    assert untranslatable(dialect, client_asks(path, prompt="p", **fields))[1] == param


@pytest.mark.parametrize(
    ("dialect", "path", "form"),
    [("jimeng", IMAGES, 1), ("jimeng-free", IMAGES, 1), ("jimeng-free-all", IMAGES, 2)],
)
def test_files_that_are_not_read_are_refused(dialect: str, path: str, form: int) -> None:
    assert untranslatable(dialect, client_asks(path, ("image",) * form, prompt="p"))[1] == "image"
    assert (
        untranslatable("jimeng", client_asks(VIDEOS, ("a", "b", "c"), prompt="p"))[1]
        == "file_paths"
    )


def test_number_that_is_none_in_a_form_is_refused() -> None:
    assert untranslatable("jimeng", client_asks(IMAGES, (), prompt="p", sample_strength="nan"))[1]


def test_pictures_of_a_film_stand_where_they_are_read() -> None:
    one = translate_asked("jimeng", client_asks(VIDEOS, prompt="p", file_paths="https://x/a"))
    renamed = translate_asked(
        "jimeng-free-all", client_asks(VIDEOS, prompt="p", filePaths=["https://x/a"])
    )
    none = translate_asked("jimeng", client_asks(VIDEOS, prompt="p", file_paths=""))
    twelve = {f"image_file_{place}": "https://x/a" for place in range(1, 10)}
    omni = client_asks(
        VIDEOS, prompt="p", functionMode="omni_reference", video_file_3="https://x", **twelve
    )

    assert body(one)["file_paths"] == ["https://x/a"]
    assert body(renamed) == {"prompt": "p", "file_paths": ["https://x/a"]}
    assert body(none)["file_paths"] == []
    assert translate_asked("jimeng", omni).pieces is None


@pytest.mark.parametrize(
    "part",
    [
        7,
        {"type": "text"},
        {"type": "image_url", "image_url": {}},
        {"type": "image_url", "image_url": ""},
        {"type": "file", "file": {"file_id": "f"}},
        {"type": "input_image", "text": "a", "file": "/etc/passwd"},
        {"type": "input_audio", "input_audio": {"data": "QQ=="}},
    ],
)
def test_part_of_a_message_that_is_not_understood_is_refused(part: Any) -> None:
    assert untranslatable("jimeng", conversation("draw", part))[1] == "messages"


def test_model_of_a_film_may_be_written_in_capitals() -> None:
    assert translate_asked("jimeng", conversation(model="Jimeng-VIDEO-3.0")).path == VIDEOS


def test_form_without_files_becomes_json_with_typed_fields() -> None:
    fields = {"prompt": "12", "n": "2", "sample_strength": "0.5", "intelligent_ratio": "true"}

    found = translate_asked("jimeng", client_asks(IMAGES, (), **fields, seed="x"))

    assert body(found) == {
        "prompt": "12",
        "n": 2,
        "sample_strength": 0.5,
        "intelligent_ratio": True,
        "seed": "x",
    }


@pytest.mark.parametrize("dialect", ["jimeng", "drraw"])
def test_edit_becomes_a_composition_whose_files_stay_where_they_are(dialect: str) -> None:
    found = translate_asked(
        dialect, client_asks(EDITS, ("image[]", "image[]"), prompt="p", size="1024x1024")
    )

    assert found.path == COMPOSITIONS
    assert found.pieces is not None
    assert [piece for piece in found.pieces if isinstance(piece, Span)] == [Span(0, 5), Span(10, 5)]
    text = b"".join(piece for piece in found.pieces if isinstance(piece, bytes)).decode()
    assert text.count('name="images"; filename="') == 2
    assert 'name="ratio"\r\n\r\n1:1\r\n' in text
    assert "size" not in text
    assert found.content_type == "multipart/form-data; boundary=tidegate-request-1"
    assert text.endswith("--tidegate-request-1--\r\n")


@pytest.mark.parametrize("form", [("mask", "image"), ("image", "image[]", "mask")])
def test_mask_is_refused_wherever_it_stands(form: tuple[str, ...]) -> None:
    assert untranslatable("jimeng", client_asks(EDITS, form, prompt="p"))[1] == "mask"


@pytest.mark.parametrize("path", [EDITS, COMPOSITIONS, "/v1/images/variations", "/avatar"])
@pytest.mark.parametrize("dialect", ["jimeng-free-all", "jimeng-free"])
def test_what_a_backend_has_not_is_refused(dialect: str, path: str) -> None:
    assert path in untranslatable(dialect, client_asks(path, prompt="p"))[0]


def test_name_of_a_file_cannot_break_out_of_its_form() -> None:
    file = File("image", 'a"\r\nX-Evil: 1', "image/png", Span(0, 1))
    request = Asked(EDITS, "r", {"prompt": "p"}, (file,), is_form=True)

    pieces = translate_asked("jimeng", request).pieces

    text = b"".join(piece for piece in pieces or () if isinstance(piece, bytes))
    assert b'filename="a%22%0D%0AX-Evil: 1"' in text


@pytest.mark.parametrize(
    ("dialect", "model", "duration", "sent"),
    [
        ("jimeng", "jimeng-video-3.0", "5", 5),
        ("jimeng", "jimeng-video-sora2", 12, 12),
        ("jimeng", "jimeng-video-seedance-2.0", 15.0, 15),
        ("jimeng", "jimeng-video-veo3.1", 8, 8),
        ("drraw", "jimeng-video-sora2", 10, 10),
        ("jimeng", "jimeng-video-3.0", 8, None),
        ("jimeng", "jimeng-video-veo3", 5, None),
        ("drraw", "jimeng-video-sora2", 12, None),
        ("jimeng-free-all", "jimeng-video-3.0", 7, None),
        ("jimeng", "jimeng-video-3.0", "five", None),
        ("jimeng", "jimeng-video-3.0", 5.5, None),
    ],
)
def test_length_of_a_film_is_one_that_its_model_makes(
    dialect: str, model: str, duration: Any, sent: int | None
) -> None:
    request = client_asks(VIDEOS, model=model, prompt="p", seconds=duration)

    if sent is None:
        assert untranslatable(dialect, request)[1] == "duration"
    else:
        found = body(translate_asked(dialect, request))
        assert found == {"model": model, "prompt": "p", "duration": sent}


def test_size_of_a_film_is_its_ratio_and_its_resolution_is_checked() -> None:
    found = translate_asked(
        "jimeng", client_asks(VIDEOS, prompt="p", size="1280x720", resolution="720p")
    )

    assert body(found) == {"prompt": "p", "ratio": "16:9", "resolution": "720p"}
    assert (
        untranslatable("jimeng", client_asks(VIDEOS, prompt="p", resolution="8k"))[1]
        == "resolution"
    )
    assert untranslatable("jimeng", client_asks(VIDEOS, prompt="p", ratio="5:4"))[1] == "ratio"


def conversation(*parts: Any, **fields: Any) -> Asked:
    messages = [
        {"role": "user", "content": "earlier"},
        {"role": "assistant", "content": "![image_0](https://x/y.png)"},
        {"role": "user", "content": list(parts) if parts else "draw a gate"},
    ]
    return client_asks(CHAT, messages=messages, **fields)


def picture(address: str) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": address}}


@pytest.mark.parametrize("dialect", FAMILY)
def test_chat_becomes_one_picture_of_the_last_message(dialect: str) -> None:
    found = translate_asked(dialect, conversation(model="jimeng-4.0", stream=True, temperature=1))

    assert (found.path, found.chat) == (IMAGES, "image")
    assert body(found) == {"model": "jimeng-4.0", "prompt": "draw a gate"}
    assert found.told == f"chat → {IMAGES}"


def test_pictures_of_a_chat_are_references_where_there_may_be_any() -> None:
    text = {"type": "text", "text": "with birds"}
    request = conversation(text, picture("https://x/a.png"), model="m", size="1024x1024")

    composed = translate_asked("jimeng", request)
    referred = translate_asked("jimeng-free-all", request)

    assert composed.path == COMPOSITIONS
    assert body(composed)["images"] == ["https://x/a.png"]
    assert body(composed)["ratio"] == "1:1"
    assert composed.quoting
    assert body(referred)["filePath"] == "https://x/a.png"
    assert untranslatable("jimeng-free", request)[1] == "messages"
    two = conversation(text, picture("https://x/a.png"), picture("https://x/b.png"))
    assert untranslatable("jimeng-free-all", two)[1] == "messages"


def test_chat_about_a_film_is_a_film() -> None:
    found = translate_asked(
        "jimeng", conversation(picture("https://x/a.png"), "go", model="a-video-b")
    )

    assert (found.path, found.chat) == (VIDEOS, "video")
    assert body(found)["file_paths"] == ["https://x/a.png"]


@pytest.mark.parametrize(
    "messages", [None, [], "hi", [{"role": "system", "content": "x"}], [{"role": "user"}], [7]]
)
def test_chat_without_a_prompt_is_refused(messages: Any) -> None:
    assert untranslatable("jimeng", client_asks(CHAT, messages=messages))[1] == "messages"


def test_composition_of_addresses_is_checked_and_passes() -> None:
    request = client_asks(COMPOSITIONS, images=["https://x/a.png"], prompt="p")

    assert translate_asked("jimeng", request) == Translation(
        path=COMPOSITIONS, results_included=4, quoting=True
    )
    single = translate_asked("drraw", client_asks(EDITS, image="https://x/a.png", prompt="p"))
    assert body(single) == {"prompt": "p", "images": ["https://x/a.png"]}
    several = translate_asked("drraw", client_asks(EDITS, image=["https://x/a.png"], prompt="p"))
    assert body(several) == {"prompt": "p", "images": ["https://x/a.png"]}


def test_form_of_a_composition_is_written_anew_whatever_changes() -> None:
    found = translate_asked("jimeng", client_asks(COMPOSITIONS, ("images",), prompt="p"))

    assert found.told == ""
    assert found.content_type == "multipart/form-data; boundary=tidegate-request-1"
    for name in ("Mask", "style_reference", "images[x]", "file"):
        assert untranslatable("jimeng", client_asks(EDITS, ("image", name), prompt="p"))[1]
    assert untranslatable("jimeng", client_asks(COMPOSITIONS, (), prompt="p"))[1] == "image"


def test_form_with_a_file_is_written_anew_so_that_a_file_is_one() -> None:
    same = translate_asked("jimeng-free-all", client_asks(IMAGES, ("filePath",), prompt="p"))

    head = same.pieces[1] if same.pieces else b""
    assert isinstance(head, bytes)
    assert b"Content-Type: image/png" in head
    assert Span(0, 5) in (same.pieces or ())


def test_what_a_backend_would_take_out_of_a_body_is_written_as_escapes() -> None:
    fields = {"prompt": "a\u200bb\u00a0c", "resolution\ufeff": "4k", "model": "m"}
    request = Asked(IMAGES, "r", fields, read_alike=False)

    (text,) = translate_asked("jimeng", request).pieces or ()

    assert isinstance(text, bytes)
    assert not mend_surrogates(text)
    assert json.loads(text) == fields
    assert translate_asked("jimeng", Asked(IMAGES, "r", fields)).pieces is None


@pytest.mark.parametrize(
    "name",
    [
        *("image_base64", "imagesBase64", "image_list", "img", "img_url", "ref_image", "b64"),
        *("image_input", "fileUrl", "file_urls", "picture", "pic", "binary_data_base64"),
        *("tail_image", "control_image", "subject_reference", "images[0]", "first-frame"),
    ],
)
def test_picture_is_known_by_whatever_name(name: str) -> None:
    request = client_asks(IMAGES, **{"prompt": "p", name: ["https://x/a"]})

    assert untranslatable("jimeng", request)[1] == name
    chatting = conversation(model="m", **{name: "/etc/passwd"})
    assert untranslatable("jimeng-free-all", chatting)[1] == name


@pytest.mark.parametrize("name", ["response_format", "b64_json", "image_count", "style", "user"])
def test_other_fields_bring_nothing_along(name: str) -> None:
    assert not is_reference(name)
    assert not is_reference("image" * 20)


def test_texts_of_a_form_that_are_no_numbers_stay_texts() -> None:
    found = translate_asked(
        "jimeng", client_asks(IMAGES, (), prompt="p", seed="x", tags=["a", "b"])
    )

    assert body(found) == {"prompt": "p", "seed": "x", "tags": ["a", "b"]}


def test_size_of_a_film_that_says_nothing_is_left_out() -> None:
    assert body(translate_asked("jimeng", client_asks(VIDEOS, size="auto", prompt="p"))) == {
        "prompt": "p"
    }


def test_parts_of_a_message_are_texts_and_pictures() -> None:
    found = translate_asked(
        "jimeng", conversation({"image_url": "https://x/a.png"}, {"text": "go"})
    )

    assert body(found)["prompt"] == "go"
    assert body(found)["images"] == ["https://x/a.png"]


def test_results_of_a_generation_are_told_as_a_message() -> None:
    answer = {"data": [{"url": "https://x/a.png"}, {"url": None}, {"b64_json": "QQ=="}, 7]}

    told = chat.content_of(answer, film=False)

    assert told == "![image_0](https://x/a.png)\n![image_2](data:image/png;base64,QQ==)"
    assert chat.content_of({"data": [{"url": "u"}]}, film=True) == "[video](u)"
    assert chat.content_of({"data": None}, film=True) == ""


def test_completion_has_one_choice_and_its_chunks_the_same_id() -> None:
    whole = chat.completion_of("told", "m", "r", 7)
    last = chat.completion_chunk({}, "m", "r", 7, last=True)

    assert whole["choices"][0]["message"] == {"role": "assistant", "content": "told"}
    assert (whole["id"], whole["created"]) == (last["id"], last["created"]) == ("chatcmpl-r", 7)
    assert last["choices"][0]["finish_reason"] == "stop"
    assert (
        chat.completion_chunk({"content": "x"}, "m", "r", 7)["choices"][0]["finish_reason"] is None
    )


def test_backend_has_submitted_after_so_long() -> None:
    pictures = [f"https://x/{number}" for number in range(6)]
    film = translate_asked("jimeng", conversation(model="a-video"))

    assert film.submitted_after_s == FILM_SUBMITTED_AFTER_S
    assert (
        translate_asked("jimeng", client_asks(VIDEOS, prompt="p")).submitted_after_s
        == FILM_SUBMITTED_AFTER_S
    )
    assert (
        translate_asked("jimeng", client_asks(IMAGES, prompt="p")).submitted_after_s
        == SUBMITTED_AFTER_S
    )
    request = client_asks(COMPOSITIONS, prompt="p", images=pictures)
    assert translate_asked("jimeng", request).submitted_after_s == SUBMITTED_AFTER_S
    assert translate_asked("drraw", request).submitted_after_s == SUBMITTED_AFTER_S + 10
    form = client_asks(EDITS, ("image",) * 3, prompt="p")
    assert translate_asked("drraw", form).submitted_after_s == SUBMITTED_AFTER_S + 4


def test_what_is_no_address_quotes_nothing() -> None:
    request = client_asks(IMAGES, prompt="p", image=5)

    assert list(addresses_in(request.fields)) == []
    assert untranslatable("jimeng", request)[1] == "image"


@pytest.mark.parametrize(
    ("options", "counted"),
    [({"include_usage": True}, True), ({"include_usage": 1}, False), ({}, False), (None, False)],
)
def test_tokens_are_counted_for_whoever_asks(options: Any, *, counted: bool) -> None:
    assert chat.counts_tokens(conversation(stream_options=options)) is counted


def test_the_last_chunk_about_tokens_has_no_choice() -> None:
    chunk = chat.usage_chunk("m", "r", 7)

    assert (chunk["choices"], chunk["usage"]["total_tokens"]) == ([], 0)


def test_a_long_text_is_taken_apart_between_its_characters() -> None:
    text = "a" * (1_000_000 - len('{"prompt":"') - 1) + "\u00e9" * 5

    (whole,) = (
        translate_asked("jimeng", Asked(IMAGES, "r", {"prompt": text}, read_alike=False)).pieces
        or ()
    )

    assert isinstance(whole, bytes)
    assert json.loads(whole)["prompt"] == text

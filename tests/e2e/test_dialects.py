"""The real `openai` SDK before servers of four other dialects: nothing is lost to a word."""

import base64
import io
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from tests.e2e.stack import Stack

pytestmark = pytest.mark.slow

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
DIALECTS = ("jimeng", "drraw", "jimeng-free-all", "jimeng-free")
COMPOSING = ("jimeng", "drraw")


class Spoken:
    """A stack whose one server speaks one dialect, and the SDK before it."""

    def __init__(self, stack: Stack, dialect: str) -> None:
        self.stack = stack
        self.dialect = dialect
        self.doubted = 0
        """Units in doubt that a test meant to be."""
        self.sdk = OpenAI(base_url=f"{stack.url()}/v1", api_key=stack.client_key, max_retries=0)

    def submitted(self) -> int:
        return sum(self.stack.served("one", service=name) for name in ("image", "video"))

    def unknown(self) -> int:
        return len(self.stack.api("/api/leases?state=unknown")["data"])

    def translated(self) -> str:
        """What the last attempt made of its request."""
        query = "select translated from attempts order by sequence desc, position desc limit 1"
        rows = self.stack.api("/api/sql", "POST", json={"query": query})["rows"]
        return str(rows[0][0]) if rows else "nothing"


@pytest.fixture(scope="module", params=DIALECTS)
def spoken(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Spoken]:
    # Its servers fail call after call, as these tests have them do.
    settings = {"TIDEGATE_POOL_MIN_SIZE": "30", "TIDEGATE_BALANCER_CONSECUTIVE_FAILURES": "0"}
    stack = Stack(tmp_path_factory.mktemp("dialect"), **settings)
    try:
        stack.configure(stack.servers_toml("one", one=f'dialect = "{request.param}"'))
        stack.start_all("one", being=("--dialect", request.param))
        stack.environment["TIDEGATE_API"] = stack.url()
        yield Spoken(stack, request.param)
    finally:
        stack.close()


@pytest.fixture(autouse=True)
def lossless(spoken: Spoken) -> Iterator[None]:
    """Whatever a test does: no unit is in doubt, and none was bought unseen."""
    yield

    spoken.stack.eventually(spoken.unknown, spoken.doubted)
    assert spoken.stack.audit()["exit"] == 0


def test_size_of_the_sdk_makes_a_picture(spoken: Spoken) -> None:
    before = spoken.submitted()

    made = spoken.sdk.images.generate(model="jimeng-4.0", prompt="a gate", size="1024x1024", n=1)

    assert made.data is not None
    assert made.data[0].url is not None
    assert spoken.submitted() == before + 1


def test_picture_of_unknown_shape_is_refused_before_anything_is_bought(spoken: Spoken) -> None:
    before = spoken.submitted()

    with pytest.raises(openai.BadRequestError) as refused:
        spoken.sdk.images.generate(model="jimeng-4.0", prompt="a gate", extra_body={"size": "1x9"})

    assert refused.value.param == "size"
    assert spoken.submitted() == before


@pytest.mark.parametrize("pictures", [1, 3])
def test_edit_is_a_composition_where_there_is_one(spoken: Spoken, pictures: int) -> None:
    before = spoken.submitted()
    files: Any = [(f"{n}.png", io.BytesIO(PNG), "image/png") for n in range(pictures)]

    def edit() -> Any:
        return spoken.sdk.images.edit(
            model="jimeng-4.0", prompt="with birds", image=files, size="1536x1024"
        )

    if spoken.dialect in COMPOSING:
        assert edit().data[0].url
        assert spoken.submitted() == before + 1
    else:
        with pytest.raises(openai.BadRequestError, match="edits"):
            edit()
        assert spoken.submitted() == before


def test_mask_and_variations_are_refused_before_anything_is_bought(spoken: Spoken) -> None:
    before = spoken.submitted()
    picture = ("a.png", io.BytesIO(PNG), "image/png")

    with pytest.raises(openai.BadRequestError):
        spoken.sdk.images.edit(prompt="x", image=picture, mask=("m.png", io.BytesIO(PNG)))
    with (
        pytest.warns(DeprecationWarning, match="deprecated"),
        pytest.raises(openai.BadRequestError),
    ):
        spoken.sdk.images.create_variation(image=("a.png", io.BytesIO(PNG), "image/png"))

    assert spoken.submitted() == before


def test_sixteen_pictures_are_too_many(spoken: Spoken) -> None:
    before = spoken.submitted()
    files: Any = [(f"{n}.png", io.BytesIO(PNG), "image/png") for n in range(16)]

    with pytest.raises(openai.BadRequestError):
        spoken.sdk.images.edit(model="jimeng-4.0", prompt="x", image=files)

    assert spoken.submitted() == before


def test_chat_is_one_submission_told_as_a_completion(spoken: Spoken) -> None:
    before = spoken.submitted()

    whole = spoken.sdk.chat.completions.create(
        model="jimeng-4.0", messages=[{"role": "user", "content": "draw a gate"}]
    )

    assert (whole.choices[0].message.content or "").startswith("![image_0](http")
    assert spoken.submitted() == before + 1
    spoken.stack.eventually(lambda: spoken.translated().startswith("chat → /v1/images/"), True)


def test_streamed_chat_ends_as_it_should(spoken: Spoken) -> None:
    chunks = list(
        spoken.sdk.chat.completions.create(
            model="jimeng-4.0", messages=[{"role": "user", "content": "draw"}], stream=True
        )
    )

    told = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert told.startswith("![image_0](http")
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_refusal_of_a_streamed_chat_keeps_its_status(spoken: Spoken) -> None:
    spoken.stack.faults("one", kind="code", code=-2006, message="[内容违规]: no", times=1)

    with pytest.raises(openai.BadRequestError) as refused:
        spoken.sdk.chat.completions.create(
            model="jimeng-4.0", messages=[{"role": "user", "content": "draw"}], stream=True
        )

    assert refused.value.code == "content_policy_violation"


def test_wrong_length_of_a_film_is_refused_before_anything_is_bought(spoken: Spoken) -> None:
    before = spoken.submitted()
    body = {"model": "jimeng-video-3.0", "prompt": "a gate", "duration": 7}

    with pytest.raises(openai.BadRequestError):
        spoken.sdk.post("/videos/generations", body=body, cast_to=object)

    assert spoken.submitted() == before


def test_list_of_models_and_a_bare_picture_pass_as_they_are(spoken: Spoken) -> None:
    assert spoken.sdk.models.list().data
    made = spoken.sdk.images.generate(model="jimeng-4.0", prompt="nothing to translate")

    assert made.data
    spoken.stack.eventually(spoken.translated, "")


@pytest.mark.parametrize(
    ("message", "doubted"),
    [
        ("request failed", 1),
        ("图片上传失败: timeout", 0),
        ("[请求失败]: x (错误码: 34010100)", 0),
        ("参考图上传失败: Invalid URL: [登录失效]: x (错误码: 1015)", 0),
    ],
)
def test_generic_failure_blames_no_session(spoken: Spoken, message: str, doubted: int) -> None:
    spoken.stack.faults("one", kind="code", code=-2001, message=message, times=3)

    for _ in range(3):
        with pytest.raises((openai.InternalServerError, openai.BadRequestError)):
            spoken.sdk.images.generate(model="jimeng-4.0", prompt="a gate")

    spoken.doubted += 3 * doubted
    sessions = spoken.stack.api("/api/sessions?limit=100")["data"]
    assert {one["status"] for one in sessions} == {"active"}


@pytest.mark.parametrize("spoken", ["jimeng"], indirect=True)
@pytest.mark.parametrize(
    ("path", "model", "after_s"),
    [
        ("/images/generations", "jimeng-4.0", 20),
        ("/videos/generations", "jimeng-video-3.0", 5.5),
        ("/chat/completions", "jimeng-video-3.0", 5.5),
    ],
)
def test_login_that_expires_while_polling_is_doubted_and_nobody_else_tries(
    spoken: Spoken, path: str, model: str, after_s: float
) -> None:
    fault = {"kind": "latency", "latency_ms": after_s * 1000, "times": 1}
    code = {"kind": "code", "code": -2002, "message": "[登录失效]: x", "times": 2}
    messages = [{"role": "user", "content": "a gate"}]
    body = {"model": model, "prompt": "a gate", "messages": messages}
    before = spoken.stack.api("/api/events?limit=1")["last"]
    httpx.post(f"{spoken.stack.demo_url('one')}/demo/faults", json=[fault, code])

    with pytest.raises(openai.InternalServerError) as failed:
        spoken.sdk.post(path, body=body, cast_to=object)

    spoken.doubted += 1
    assert failed.value.code == "upstream_outcome_unknown"
    found = httpx.get(f"{spoken.stack.demo_url('one')}/demo/faults").json()["faults"]
    assert found[1]["times"] == 1

    def suspected() -> list[str]:
        told = spoken.stack.api(f"/api/events?after={before}&limit=100")["data"]
        return [one["session_id"] for one in told if one["type"] == "session_suspected"]

    # Whether it stays so, or its server is blamed, is a matter of what went before.
    spoken.stack.eventually(lambda: len(suspected()), 1)
    spoken.stack.faults("one")
    assert spoken.stack.tidegate("sessions", "clear", *suspected()).returncode == 0


def test_picture_refused_before_the_submission_costs_nothing_however_late(spoken: Spoken) -> None:
    path = "/images/generations"
    fault = {"kind": "latency", "latency_ms": 8500, "times": 1}
    message = "图片上传失败: timeout"
    code = {"kind": "code", "code": -2001, "message": message, "times": 1}
    httpx.post(f"{spoken.stack.demo_url('one')}/demo/faults", json=[fault, code])

    with pytest.raises(openai.InternalServerError) as failed:
        spoken.sdk.post(path, body={"model": "jimeng-4.0", "prompt": "a gate"}, cast_to=object)

    assert failed.value.code == "upstream_error"


def test_word_that_is_not_read_is_refused_before_anything_is_bought(spoken: Spoken) -> None:
    before = spoken.submitted()
    wrong: list[dict[str, Any]] = [
        {"input_reference": "https://x/a.png"},
        {"image": "https://x/a.png"},
        {"n": 0},
        {"response_format": "png"},
        {"size": "1024x1024", "ratio": "16:9"},
        {"filePath": "/etc/passwd"},
    ]

    for fields in wrong:
        body = {"model": "jimeng-4.0", "prompt": "a gate", **fields}
        with pytest.raises(openai.BadRequestError) as refused:
            spoken.sdk.post("/images/generations", body=body, cast_to=object)
        assert refused.value.param in fields

    assert spoken.submitted() == before


def test_path_is_what_was_read_however_it_is_written(spoken: Spoken) -> None:
    body = {"model": "jimeng-4.0", "prompt": "a gate", "size": "1024x1024"}
    before = spoken.submitted()

    answer = httpx.post(
        f"{spoken.stack.url()}/v1/images/%67enerations",
        json=body,
        headers={"Authorization": f"Bearer {spoken.stack.client_key}"},
        timeout=60,
    )

    assert answer.status_code == 200
    assert spoken.submitted() == before + 1

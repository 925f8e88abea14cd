"""The real `openai` SDK against the real stack: results, exceptions, and how often it asks."""

import base64
import io
from typing import Any

import httpx
import openai
import pytest
from openai import OpenAI

from tests.e2e.stack import Stack

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def sdk(stack: Stack) -> OpenAI:
    for server in ("one", "two"):
        stack.faults(server)
    return OpenAI(base_url=f"{stack.url()}/v1", api_key=stack.client_key)


def arrivals(stack: Stack) -> int:
    """Generation requests that reached any demo server."""
    return sum(
        httpx.get(f"{stack.demo_url(server)}/demo/ledger").json()["arrivals"]
        for server in ("one", "two")
    )


def both(stack: Stack, **fault: Any) -> None:
    for server in ("one", "two"):
        stack.faults(server, **fault)


def test_image_by_url_is_a_picture(sdk: OpenAI) -> None:
    made = sdk.images.generate(model="jimeng-4.0", prompt="a gate at dawn")

    assert made.data is not None
    assert made.data[0].url is not None
    picture = httpx.get(made.data[0].url)
    assert picture.content.startswith(PNG)


def test_image_as_base64_is_a_picture(sdk: OpenAI) -> None:
    made = sdk.images.generate(model="jimeng-4.0", prompt="a gate", response_format="b64_json")
    assert made.data is not None
    assert base64.b64decode(made.data[0].b64_json or "").startswith(PNG)


def test_image_edit_goes_up_as_multipart(sdk: OpenAI, stack: Stack) -> None:
    made = sdk.images.edit(
        model="jimeng-4.0", prompt="with birds", image=("a.png", io.BytesIO(PNG + b"x" * 5000))
    )
    assert made.data is not None
    assert made.data[0].url is not None


def test_chat_answers_whole_and_streamed(sdk: OpenAI) -> None:
    messages: list[object] = [{"role": "user", "content": "draw a gate"}]
    whole = sdk.chat.completions.create(model="jimeng-4.0", messages=messages)  # type: ignore[arg-type]

    assert whole.choices[0].message.content
    streamed = sdk.chat.completions.create(
        model="jimeng-4.0",
        messages=messages,  # type: ignore[arg-type]
        stream=True,
    )
    parts = [chunk.choices[0].delta.content or "" for chunk in streamed if chunk.choices]
    assert len(parts) > 1
    assert "".join(parts)


def test_models_are_listed(sdk: OpenAI) -> None:
    listed = sdk.models.list().data

    assert listed
    assert sdk.models.retrieve(listed[0].id) == listed[0]
    with pytest.raises(openai.NotFoundError):
        sdk.models.retrieve("nobody/makes/this")


def test_headers_of_every_proxied_answer(sdk: OpenAI) -> None:
    raw = sdk.images.with_raw_response.generate(
        model="jimeng-4.0", prompt="a gate", extra_headers={"X-Request-ID": "mine"}
    )
    headers = raw.headers

    assert headers["x-request-id"] != "mine"
    assert headers["x-client-request-id"] == "mine"
    assert headers["x-session-id"].startswith("ses_")
    assert headers["x-server-id"] in {"one", "two"}
    assert headers["x-server-region"] == "test"
    assert headers["x-service-type"] == "image"
    assert '"image":' in headers["x-remaining-quota"]
    assert headers["server-timing"].startswith("lease;dur=")
    assert headers["access-control-expose-headers"]


def test_bad_key_is_an_authentication_error_and_asks_nobody(stack: Stack, sdk: OpenAI) -> None:
    before = arrivals(stack)
    wrong = OpenAI(base_url=sdk.base_url, api_key="sk-wrong")

    with pytest.raises(openai.AuthenticationError) as caught:
        wrong.images.generate(model="jimeng-4.0", prompt="a gate")
    assert caught.value.code == "invalid_api_key"
    assert arrivals(stack) == before


def test_rejected_prompt_is_a_bad_request_asked_once(stack: Stack, sdk: OpenAI) -> None:
    before = arrivals(stack)

    with pytest.raises(openai.BadRequestError) as caught:
        sdk.images.generate(model="jimeng-4.0", prompt="something forbidden")
    assert caught.value.code == "content_policy_violation"
    assert arrivals(stack) == before + 1


def test_500_is_an_unknown_outcome_asked_once(stack: Stack, sdk: OpenAI) -> None:
    both(stack, kind="status", status=500)
    before = arrivals(stack)

    with pytest.raises(openai.InternalServerError) as caught:
        sdk.images.generate(model="jimeng-4.0", prompt="a gate")
    assert caught.value.code == "upstream_outcome_unknown"
    assert caught.value.status_code == 502
    assert arrivals(stack) == before + 1


def test_200_with_an_error_body_is_an_error(stack: Stack, sdk: OpenAI) -> None:
    both(stack, kind="code", code=-2000)
    before = arrivals(stack)

    with pytest.raises(openai.BadRequestError) as caught:
        sdk.images.generate(model="jimeng-4.0", prompt="a gate")
    assert caught.value.code == "invalid_request"
    assert arrivals(stack) == before + 1


def test_200_without_a_result_is_an_unknown_outcome(stack: Stack, sdk: OpenAI) -> None:
    both(stack, kind="empty")

    with pytest.raises(openai.InternalServerError) as caught:
        sdk.images.generate(model="jimeng-4.0", prompt="a gate")
    assert caught.value.code == "upstream_outcome_unknown"


def test_cut_answer_is_an_unknown_outcome_asked_once(stack: Stack, sdk: OpenAI) -> None:
    both(stack, kind="cut_body")
    before = arrivals(stack)

    with pytest.raises(openai.InternalServerError) as caught:
        sdk.images.generate(model="jimeng-4.0", prompt="a gate")
    assert caught.value.code == "upstream_outcome_unknown"
    assert arrivals(stack) == before + 1


def test_exhausted_quota_is_a_rate_limit_error_that_is_not_retried(
    stack: Stack, sdk: OpenAI
) -> None:
    for _ in range(50):
        sdk.post("/avatar/make", body={"prompt": "me"}, cast_to=httpx.Response)
    before = arrivals(stack)

    with pytest.raises(openai.RateLimitError) as caught:
        sdk.post("/avatar/make", body={"prompt": "me"}, cast_to=httpx.Response)
    assert caught.value.code == "pool_quota_exhausted"
    assert caught.value.type == "insufficient_quota"
    assert int(caught.value.response.headers["retry-after"]) > 0
    assert arrivals(stack) == before

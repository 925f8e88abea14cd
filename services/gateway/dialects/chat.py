"""A conversation as one generation, and its result as a chat completion.

The family's own chat submits up to sixteen times for one call, tells a failed film as a completed
answer and a failed stream as content, and is silent for twenty minutes: so it is never asked. The
last message of a user is the prompt, its pictures are the references, the model says whether a
picture or a film is wanted; one submission, judged like any other.
"""

from typing import Any, NamedTuple

from services.gateway.dialects.references import is_reference
from services.gateway.dialects.words import Asked, Fields, UntranslatableError

CHAT = "/v1/chat/completions"
_NO_TOKENS = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
_TAKEN_ALONG = (
    "model",
    "n",
    "size",
    "ratio",
    "resolution",
    "negative_prompt",
    "sample_strength",
    "intelligent_ratio",
    "duration",
    "seconds",
    "width",
    "height",
)
"""Fields beside the messages that say something about a generation."""


class ChatGeneration(NamedTuple):
    """The one generation that a conversation asks for."""

    fields: Fields
    pictures: list[str]
    """Their addresses."""
    is_film: bool


def generation_of(asked: Asked) -> ChatGeneration:
    """Read what a conversation asks for in the user's last message.

    Raises `UntranslatableError` where there is no prompt.
    """
    for name, value in asked.fields.items():
        if value and is_reference(name):
            raise UntranslatableError(
                f"{name}: expected pictures in the messages, as parts of image_url", name
            )
    message = _last_of_user(asked.fields.get("messages"))
    content = message.get("content")
    pictures: list[str] = []
    if isinstance(content, list):
        texts = []
        for part in content:
            text, address = _read_part(part)
            texts += [text] * bool(text)
            pictures += [address] * bool(address)
        content = "\n".join(texts)
    if not isinstance(content, str) or not content.strip():
        raise UntranslatableError("messages: expected a text in the user's last one", "messages")
    fields = {name: asked.fields[name] for name in _TAKEN_ALONG if name in asked.fields}
    fields["prompt"] = content
    return ChatGeneration(fields, pictures, "video" in asked.model_name.lower())


def _last_of_user(messages: Any) -> Fields:
    if isinstance(messages, list):
        for message in reversed(messages):
            if isinstance(message, dict) and message.get("role", "user") == "user":
                return message
    raise UntranslatableError("messages: expected one of a user", "messages")


def _read_part(part: Any) -> tuple[str, str]:
    """Take the text, or the picture's address, of one part of a message.

    Raises `UntranslatableError` for any other part: what it says would be left out.
    """
    if isinstance(part, str):
        return part, ""
    if isinstance(part, dict):
        image = part.get("image_url")
        address = image.get("url") if isinstance(image, dict) else image
        text = part.get("text")
        others = any(map(is_reference, part.keys() - {"image_url"}))
        if others:
            address = ""
        elif isinstance(text, str) and image is None:
            return text, ""
        if isinstance(address, str) and address:
            return "", address
    raise UntranslatableError(
        "messages: expected parts of text, or of image_url with a url", "messages"
    )


def content_of(answer: Fields, *, film: bool) -> str:
    """Write the results of a generation as the content of a message."""
    results = answer.get("data")
    lines = []
    for number, result in enumerate(results if isinstance(results, list) else []):
        address = result.get("url") if isinstance(result, dict) else None
        if isinstance(result, dict) and not address and result.get("b64_json"):
            address = f"data:image/png;base64,{result['b64_json']}"
        if address:
            lines.append(f"[video]({address})" if film else f"![image_{number}]({address})")
    return "\n".join(lines)


def completion_of(content: str, model: str, request_id: str, created: int) -> Fields:
    """Write a chat completion with one choice (OpenAI's API reference)."""
    message = {"role": "assistant", "content": content}
    return {
        "id": f"chatcmpl-{request_id}",
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": _NO_TOKENS,
    }


def counts_tokens(asked: Asked) -> bool:
    """Whether a stream is to end in a chunk about tokens (`stream_options.include_usage`)."""
    options = asked.fields.get("stream_options")
    return isinstance(options, dict) and options.get("include_usage") is True


def usage_chunk(model: str, request_id: str, created: int) -> Fields:
    """Write the last chunk of a stream: no choice, and the tokens, of which there are none."""
    last = completion_chunk({}, model, request_id, created)
    return {**last, "choices": [], "usage": _NO_TOKENS}


def completion_chunk(
    delta: Fields, model: str, request_id: str, created: int, *, last: bool = False
) -> Fields:
    """Write one chunk of a streamed chat completion."""
    choice = {"index": 0, "delta": delta, "finish_reason": "stop" if last else None}
    return {
        "id": f"chatcmpl-{request_id}",
        "object": "chat.completion.chunk",
        "created": created,
        "model": model,
        "choices": [choice],
    }

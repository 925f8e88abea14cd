"""Risk control: the server rests for every session, and its clients hear for how long."""

from pathlib import Path

import openai
import pytest
from openai import OpenAI

from tests.e2e.stack import Stack


def test_client_of_a_server_that_rests_is_told_to_wait(tmp_path: Path) -> None:
    stack = Stack(tmp_path, TIDEGATE_POOL_MIN_SIZE="5")
    try:
        stack.configure(stack.servers_toml("one", one='dialect = "jimeng"'))
        stack.start_all("one", being=("--dialect", "jimeng"))
        stack.environment["TIDEGATE_API"] = stack.url()
        stack.faults("one", kind="code", code=-2001, message="[请求jimeng失败]: shark", times=1)
        sdk = OpenAI(base_url=f"{stack.url()}/v1", api_key=stack.client_key, max_retries=0)

        def said() -> str:
            try:
                sdk.images.generate(model="jimeng-4.0", prompt="a gate")
            except openai.InternalServerError as error:
                return str(error.code)
            return "a picture"

        # What the first is refused for, the balancer hears a moment later.
        stack.eventually(said, "pool_saturated")
        for _ in range(2):
            with pytest.raises(openai.InternalServerError) as refused:
                sdk.images.generate(model="jimeng-4.0", prompt="a gate")
            assert refused.value.code == "pool_saturated"
            assert 1 <= int(refused.value.response.headers["retry-after"]) <= 30

        film = {"model": "jimeng-video-3.0", "prompt": "a gate"}
        assert sdk.post("/videos/generations", body=film, cast_to=object)
        stack.eventually(lambda: stack.api("/api/leases?state=open")["data"], [])
        assert stack.audit()["exit"] == 0
    finally:
        stack.close()

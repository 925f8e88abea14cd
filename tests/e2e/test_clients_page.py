"""The page for client developers: its curl, its Python and its Node, as written, with real SDKs."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.docblocks import Block, blocks_of
from tests.e2e.stack import Stack

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
PAGE = blocks_of("docs/clients.md")


def only_block(kind: str) -> Block:
    (block,) = [block for block in PAGE if block.kind == kind]
    return block


def with_address(stack: Stack, text: str) -> str:
    """The only thing on the page that is another here."""
    assert "http://127.0.0.1:8080" in text
    return text.replace("http://127.0.0.1:8080", stack.url())


def run_there(
    folder: Path, stack: Stack, *command: str, key: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a program in `folder`, whose key is in its environment as the page has it."""
    environment = {**os.environ, "TIDEGATE_KEY": key or stack.client_key}
    return subprocess.run(
        command,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_curl_gets_a_picture_and_a_wrong_key_its_error(stack: Stack, tmp_path: Path) -> None:
    first, wrong = [block.text for block in PAGE if block.kind == "sh"]

    picture = run_there(tmp_path, stack, "sh", "-euc", with_address(stack, first))
    refused = run_there(tmp_path, stack, "sh", "-euc", with_address(stack, wrong))

    assert json.loads(picture.stdout)["data"][0]["url"]
    error = json.loads(refused.stdout)["error"]
    shown = json.loads(next(block.text for block in PAGE if block.kind == "json"))["error"]
    assert shown == error


def test_python_gets_a_picture_and_tells_an_error(stack: Stack, tmp_path: Path) -> None:
    (tmp_path / "client.py").write_text(with_address(stack, only_block("python").text))

    done = run_there(tmp_path, stack, sys.executable, "client.py")
    refused = run_there(tmp_path, stack, sys.executable, "client.py", key="sk-wrong")

    assert (done.returncode, done.stdout.startswith("http")) == (0, True), done.stderr
    assert (refused.returncode, refused.stdout[:20]) == (1, "401 invalid_api_key ")


@pytest.fixture(scope="module")
def node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the SDK for Node, where there are Node and a registry of its packages."""
    if shutil.which("npm") is None:
        pytest.skip("there is no npm here")
    folder = tmp_path_factory.mktemp("node")
    command = ["npm", "install", "--no-audit", "--no-fund", "openai@6"]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    if done.returncode:
        pytest.skip(f"npm installs nothing here: {done.stderr[-200:]}")
    return folder


def test_node_gets_a_picture_and_tells_an_error(stack: Stack, node_folder: Path) -> None:
    (node_folder / "client.mjs").write_text(with_address(stack, only_block("js").text))

    done = run_there(node_folder, stack, "node", "client.mjs")
    refused = run_there(node_folder, stack, "node", "client.mjs", key="sk-wrong")

    assert (done.returncode, done.stdout.startswith("http")) == (0, True), done.stderr
    assert (refused.returncode, refused.stderr[:20]) == (1, "401 invalid_api_key ")

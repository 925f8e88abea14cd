"""Shells complete what there is: the scripts, bash's as bash runs it."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tidegate.main import VERBS
from tidegate.reference.completion import (
    bash_script,
    completed_words,
    fish_script,
    zsh_script,
)

ASK = """
source {script}
COMP_WORDS=({words} "")
COMP_WORDS[-1]="{begun}"
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_tidegate
echo "${{COMPREPLY[@]}}"
"""


@pytest.mark.parametrize(
    ("words", "begun", "expected"),
    [
        ("tidegate", "serv", {"servers"}),
        ("tidegate", "--v", {"--version"}),
        ("tidegate keys", "", {"change", "issue", "list", "revoke", "rotate"}),
        ("tidegate keys", "r", {"revoke", "rotate"}),
        ("tidegate servers list", "--w", {"--wide", "--where"}),
        ("tidegate servers list --wide", "--so", {"--sort"}),
        ("tidegate servers list", "", set()),
    ],
)
def test_bash_completes_verbs_subcommands_and_options(
    tmp_path: Path, words: str, begun: str, expected: set[str]
) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("no bash here")
    script = tmp_path / "tidegate.bash"
    script.write_text("\n".join(bash_script(completed_words())))

    asked = ASK.format(script=script, words=words, begun=begun)
    done = subprocess.run([bash, "-c", asked], capture_output=True, text=True, check=True)

    assert set(done.stdout.split()) == expected
    assert done.stderr == ""


@pytest.mark.parametrize("write", [bash_script, zsh_script, fish_script])
def test_every_verb_and_option_is_in_the_script(write: object) -> None:
    words = completed_words()

    script = "\n".join(write(words))  # type: ignore[operator]

    assert [verb for verb in VERBS if verb not in script] == []
    options = {name for completed in words.values() for name in completed.options}
    assert [name for name in options if name.removeprefix("--") not in script] == []
    # Texts stand in single quotes there.
    assert script.count("'") % 2 == 0

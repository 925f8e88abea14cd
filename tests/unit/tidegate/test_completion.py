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


def shell_output(shell: str, script: Path, text: str, asked: str) -> str:
    """What a shell prints that has read a script; there may be no such shell here."""
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"no {shell} here")
    script.write_text(text)
    done = subprocess.run([program, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


def test_zsh_describes_every_word_as_its_help_does(tmp_path: Path) -> None:
    """What `_describe` is given: a word, a colon, its meaning."""
    script, found = tmp_path / "_tidegate", completed_words()
    asked = (
        f"compdef() {{ }}; source {script}\n"
        '_describe() { print -rl -- "${(@P)2}" }\n_files() { }\n'
        'words=(tidegate ""); CURRENT=2; _tidegate\n'
        "words=(tidegate keys change -); CURRENT=4; _tidegate\n"
        'words=(tidegate stack ""); CURRENT=3; _tidegate'
    )

    shown = shell_output("zsh", script, "\n".join(zsh_script(found)), asked)

    assert shown.splitlines() == [
        f"{name}:{meaning}"
        for items in (found[""].words, found["keys change"].options, found["stack"].words)
        for name, meaning in items.items()
    ]


@pytest.mark.parametrize(
    ("typed", "path"), [("tidegate ", ""), ("tidegate keys change --", "keys change")]
)
def test_fish_describes_every_word_as_its_help_does(tmp_path: Path, typed: str, path: str) -> None:
    script, found = tmp_path / "tidegate.fish", completed_words()
    asked = f"source {script}; complete -C '{typed}'"

    shown = shell_output("fish", script, "\n".join(fish_script(found)), asked)

    told = dict(line.split("\t", 1) for line in shown.splitlines() if "\t" in line)
    items = found[path].options if path else found[path].words

    assert items.items() <= told.items()

"""`tidegate completion`: a script that has a shell complete verbs, subcommands and options.

It is written once and holds all there is to complete, so that pressing Tab starts no Python.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, NamedTuple

import typer

from tidegate.console import output
from tidegate.main import VERBS, verb_application


class Shell(StrEnum):
    """The shells there is a script for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


class Completed(NamedTuple):
    """What may stand behind some words: further words with their meaning, and options."""

    words: Mapping[str, str]
    options: Mapping[str, str]


def completion(
    shell: Shell = typer.Argument(help="The shell that is to read it: bash, zsh or fish."),
) -> None:
    """Print a script for a shell; it completes verbs, subcommands and options.

    For bash: tidegate completion bash > ~/.local/share/bash-completion/completions/tidegate. For
    zsh: a file _tidegate in a folder of $fpath. For fish: ~/.config/fish/completions/tidegate.fish.

    Example: tidegate completion bash
    """
    write = {Shell.BASH: bash_script, Shell.ZSH: zsh_script, Shell.FISH: fish_script}[shell]
    output.print_text("\n".join(write(completed_words())))


def completed_words() -> dict[str, Completed]:
    """What may stand behind `tidegate`, and behind each verb and subcommand."""
    verbs = {name: _first_sentence(verb.summary) for name, verb in VERBS.items()}
    found = {"": Completed(verbs, {"--version": "Print the version", "--help": "Show the help"})}
    for verb in VERBS:
        group: Any = typer.main.get_command(verb_application(verb))
        found.update(_completed_below(verb, group.commands[verb]))
    return found


def _completed_below(path: str, command: Any) -> Iterator[tuple[str, Completed]]:
    inner = getattr(command, "commands", {})
    words = {name: _first_sentence(below.help) for name, below in inner.items()}
    options = {
        option: _first_sentence(getattr(parameter, "help", ""))
        for parameter in command.params
        for option in parameter.opts
        if option.startswith("--")
    }
    yield path, Completed(words, {**options, "--help": "Show the help."})
    for name, below in inner.items():
        yield from _completed_below(f"{path} {name}", below)


def _first_sentence(text: str | None) -> str:
    """The beginning of a text."""
    return " ".join((text or "").split()).partition(". ")[0].partition(": ")[0].removesuffix(".")


def bash_script(found: Mapping[str, Completed]) -> Iterator[str]:
    """Write it for bash."""
    yield "_tidegate() {"
    yield '  local cur="${COMP_WORDS[COMP_CWORD]}" path="" word given=""'
    yield '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do'
    yield '    case "$word" in -*) continue ;; esac'
    yield '    case "${path:+$path }$word" in'
    paths = "|".join(repr(path) for path in found if path)
    yield f'      {paths}) path="${{path:+$path }}$word" ;;'
    yield "    esac"
    yield "  done"
    yield '  case "$path" in'
    for path, completed in found.items():
        words = " ".join(completed.words)
        yield f"    '{path}') given=\"{words} {' '.join(completed.options)}\" ;;"
    yield "  esac"
    yield '  case "$cur" in'
    yield '    -*) COMPREPLY=($(compgen -W "$given" -- "$cur")) ;;'
    yield '    *) COMPREPLY=($(compgen -W "${given//--*/}" -- "$cur")) ;;'
    yield "  esac"
    yield "}"
    yield "complete -o default -F _tidegate tidegate"


def zsh_script(found: Mapping[str, Completed]) -> Iterator[str]:
    """Write it for zsh."""
    yield "#compdef tidegate"
    yield "_tidegate() {"
    # Not `path`: of zsh that is another name for PATH.
    yield '  local typed="" word'
    yield "  local -a given options"
    yield "  for word in ${words[2,CURRENT-1]}; do"
    yield '    case "$word" in -*) continue ;; esac'
    yield '    case "${typed:+$typed }$word" in'
    paths = "|".join(repr(path) for path in found if path)
    yield f'      {paths}) typed="${{typed:+$typed }}$word" ;;'
    yield "    esac"
    yield "  done"
    yield '  case "$typed" in'
    for path, completed in found.items():
        words = " ".join(map(_zsh_item, completed.words.items()))
        options = " ".join(map(_zsh_item, completed.options.items()))
        yield f"    '{path}') given=({words}) options=({options}) ;;"
    yield "  esac"
    yield '  if [[ "${words[CURRENT]}" == -* ]]; then _describe option options'
    yield "  elif (( ${#given} )); then _describe command given"
    yield "  else _files; fi"
    yield "}"
    yield 'if [ "$funcstack[1]" = "_tidegate" ]; then _tidegate "$@"; else'
    yield "  compdef _tidegate tidegate; fi"


def _zsh_item(named: tuple[str, str]) -> str:
    """Quote a word and its meaning, parted by a colon, as one word of zsh."""
    return "'{}:{}'".format(*(text.replace("'", "'\\''") for text in named))


def fish_script(found: Mapping[str, Completed]) -> Iterator[str]:
    """Write it for fish."""
    groups = [path for path, completed in found.items() if path and completed.words]
    for path, completed in found.items():
        seen = _fish_condition(path, groups, completed)
        for name, meaning in completed.words.items():
            yield f"complete -c tidegate -f -n '{seen}' -a '{name}' -d {_fish_quoted(meaning)}"
        for name, meaning in completed.options.items():
            long = name.removeprefix("--")
            yield f"complete -c tidegate -n '{seen}' -l '{long}' -d {_fish_quoted(meaning)}"


def _fish_quoted(text: str) -> str:
    """Quote a text for fish, in whose quotes a backslash escapes a quote, and itself."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _fish_condition(path: str, groups: list[str], completed: Completed) -> str:
    if not path:
        return "__fish_use_subcommand"
    verb, _, inner = path.partition(" ")
    if inner:
        return f"__fish_seen_subcommand_from {verb}; and __fish_seen_subcommand_from {inner}"
    if path in groups:
        words = " ".join(completed.words)
        return f"__fish_seen_subcommand_from {verb}; and not __fish_seen_subcommand_from {words}"
    return f"__fish_seen_subcommand_from {verb}"

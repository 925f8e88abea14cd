"""`tidegate secrets`: the master key, shown by its id and rotated while everything runs."""

from pathlib import Path

import typer

from contracts.pool import KeysReply
from runtime.environment import read_environment
from runtime.quantities import parse_seconds
from runtime.texts import count_phrase
from tidegate.console import output
from tidegate.console.tables import TableShape
from tidegate.masterkey.keyfile import find_key_file
from tidegate.masterkey.rotation import RotationRun, ask_keys

app = typer.Typer(no_args_is_help=True, add_completion=False)


@app.command("show")
def show_keys(*, as_json: bool = output.JSON) -> None:
    """Show which process has which master keys, by their ids; the first one seals.

    Example: tidegate secrets show
    """
    keys = ask_keys()
    if as_json:
        output.print_json(keys)
        return
    output.print_text(_rotation_words(keys))
    for key_id in {**dict.fromkeys(keys.key_ids), **keys.ciphertexts}:
        count = keys.ciphertexts.get(key_id, 0)
        sealed = count_phrase(count, "credential is", "credentials are")
        output.print_text(f"{sealed} sealed under the key {key_id}")
    rows = [
        (holder.process, ", ".join(holder.key_ids) or "it does not say", holder.heard_s)
        for holder in keys.holders
    ]
    output.print_table(("process", "keys", "heard_s"), rows, shape=TableShape(kept=(0, 1)))


@app.command("rotate")
def rotate_master_key(
    *,
    homes: Path | None = typer.Option(
        None,
        help="The homes of their owners, as `migrate --homes` furnishes them: those of pool and"
        " gateway have copies of the key file.",
    ),
    wait: str = typer.Option("1m", help="How long to wait for what does not get on."),
    as_json: bool = output.JSON,
) -> None:
    """Give the credentials a new master key, while everything runs; run again, it goes on.

    The new key is put second into the key file, first once every gateway has it, and the old one
    is dropped once every credential is sealed anew.

    Example: tidegate secrets rotate
    """
    try:
        wait_s = float(parse_seconds(wait))
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--wait") from None
    file = find_key_file(read_environment(), homes)
    run = RotationRun(file, wait_s, output.print_note)
    run.rotate()
    text = f"every credential is sealed under the key {run.key_id}; {file.path} has no other"
    output.print_answer({"key_id": run.key_id, "file": str(file.path)}, text, as_json=as_json)


def _rotation_words(keys: KeysReply) -> str:
    """Say how the last rotation stands."""
    rotation = keys.rotation
    if rotation is None:
        return "the master key was never rotated"
    began = f"the rotation to the key {rotation.key_id} began {rotation.began_at:%Y-%m-%d %H:%M}"
    if rotation.ended_at is None:
        return f"{began} UTC and is under way"
    return f"{began} and ended {rotation.ended_at:%Y-%m-%d %H:%M} UTC"

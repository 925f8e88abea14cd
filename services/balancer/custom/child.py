"""The child process: `python -m services.balancer.custom.child FILE FUNCTION`.

It says one line when the function is loaded, or what was wrong with it, and then one line a
question. What the function prints goes to standard error, which the balancer's log takes.
"""

import os
import resource
import sys
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from typing import Any, BinaryIO

import msgspec

from services.balancer.custom.words import PickQuestion, Picks

MEMORY_BYTES_MAX = 1 << 30
_FAULT_CHARACTERS_MAX = 300
Choose = Callable[[list[dict[str, Any]], dict[str, Any]], Any]


def load_function(path: str, name: str) -> Choose:
    """Load the operator's function. Raises whatever the file raises, and `ValueError`."""
    spec = spec_from_file_location("strategy", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"{path} is no Python file")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    function = getattr(module, name, None)
    if callable(function):
        choose: Choose = function
        return choose
    raise ValueError(f"{path} has no function {name}")


def answer_question(choose: Choose, question: PickQuestion) -> Picks:
    """Call the function for each call of a batch; the first fault ends it."""
    picks = []
    for call in question.calls:
        servers = [dict(question.servers[place]) for place in call.eligible]
        try:
            picked = choose(servers, dict(call.criteria))
        except Exception as error:  # noqa: BLE001 (whatever a stranger's code raises)
            return Picks(fault=_fault_words(error))
        if not isinstance(picked, str):
            return Picks(fault=f"it returned {type(picked).__name__}, not the id of a server")
        picks.append(picked)
    return Picks(picks=picks)  # type: ignore[arg-type]


def serve_questions(choose: Choose, asked: BinaryIO, told: BinaryIO) -> None:
    """Answer line by line until there is none."""
    decoder = msgspec.json.Decoder(PickQuestion)
    for line in asked:
        _tell(told, answer_question(choose, decoder.decode(line)))


def main(path: str, name: str) -> int:
    """Load, say so, and answer until the balancer is gone."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    told = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        choose = load_function(path, name)
    except (Exception, SystemExit) as error:  # noqa: BLE001 (the same)
        _tell(told, Picks(fault=_fault_words(error)))
        return 1
    _tell(told, Picks())
    serve_questions(choose, sys.stdin.buffer, told)
    return 0


def _tell(told: BinaryIO, picks: Picks) -> None:
    told.write(msgspec.json.encode(picks) + b"\n")
    told.flush()


def _fault_words(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"[:_FAULT_CHARACTERS_MAX]


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1], sys.argv[2]))

"""The page about strategies: each one's own head, as it stands in the code."""

import inspect
import sys

from services.balancer.strategies import DEFAULT, STRATEGIES
from tidegate.reference.markdown import as_code, markdown_table

_HEAD = """# Strategies

By which rule a server is chosen among those that may be: healthy, capable, under their
`max_sessions`, of the level in use. One for all service types is named by `[balancer] strategy`, by
`tidegate servers strategy NAME` and by `PUT /api/balancer/strategy`. What each does to latency, to
shares and to units, over one recorded mix of calls: [balancing](../explanation/balancing.md).

"""


def strategies_page() -> str:
    """Every strategy: what it prefers, its source, the meaning of its scores."""
    heads = {name: _module_head(name) for name in STRATEGIES}
    rows = [
        (as_code(name) + (" (the default)" if name == DEFAULT else ""), _first_sentence(head))
        for name, head in heads.items()
    ]
    sections = "".join(f"\n## {as_code(name)}\n\n{head}\n" for name, head in heads.items())
    return f"{_HEAD}{markdown_table(('strategy', 'whom it prefers'), rows)}{sections}"


def _module_head(name: str) -> str:
    """The docstring of a strategy's module, its source and its scores as paragraphs."""
    head = inspect.getdoc(sys.modules[STRATEGIES[name].__module__]) or ""
    return head.replace("\nScore: ", "\n\nScore: ")


def _first_sentence(head: str) -> str:
    """What stands after the name in the first paragraph."""
    sentence = " ".join(head.partition("\n\n")[0].split()).partition(": ")[2]
    return sentence.rstrip(".")

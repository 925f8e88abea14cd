"""The page about strategies: each one's own head, as it stands in the code."""

import inspect
import sys
from collections.abc import Mapping

from services.balancer.custom.child import MEMORY_BYTES_MAX
from services.balancer.custom.host import AGAIN_FIRST_S, AGAIN_MAX_S, ANSWER_S, START_S
from services.balancer.custom.words import CRITERIA_KEYS, SERVER_KEYS
from services.balancer.strategies import DEFAULT, STRATEGIES, Strategy
from services.balancer.strategies.custom import FALL_BACK, custom
from tidegate.reference.markdown import as_code, markdown_table

_HEAD = """# Strategies

By which rule a server is chosen among those that may be: healthy, capable, under their
`max_sessions`, of the level in use. One for all service types is named by `[balancer] strategy`, by
`tidegate servers strategy NAME` and by `PUT /api/balancer/strategy`. What each does to latency, to
shares and to units, over one recorded mix of calls: [balancing](../explanation/balancing.md). Where
none of them will do, write [one of your own](#filepyfunction).

"""
_CUSTOM = """
## `file.py:function`

{head}

```python
# ours.py lies beside tidegate.toml, which says: [balancer] strategy = "ours.py:choose"
def choose(servers, criteria):
    return min(servers, key=lambda server: server["utilization"])["id"]
```

`servers` is a list of dicts, those that may be chosen for this call and no others; there is one at
least:

{server_keys}
`criteria` is a dict:

{criteria_keys}
It returns the `id` of one of them, a string. It is called once for each call, one after the other;
all calls that came at the same moment must have their answers within {answer_ms:.0f} ms.

{troubles}
No call is lost by any of it. The log has `{fall_back}` as the strategy of what it chose instead,
and beside it the function and what that did (`tidegate explain`); `strategy_failed` is journalled
once a minute at most, and the doctor finds `strategy_failing`.

Its process has {memory_gb:g} GB of memory and no secret in its environment, and what it prints goes
to the balancer's log. It is loaded when its name comes into force; a file that changed is loaded
by a restart of the balancer, or by choosing another strategy and then this one again.
"""
_RAISED = "it raises, or returns what is no string"
_NO_ANSWER = "no answer within {answer_ms:.0f} ms, nonsense, or its process ends"
_KILLED = (
    "its process is killed with all that it started, and begun anew after {again_s:g} s, twice as"
    " long each time in a row and at most {again_max_s:g} s; `{fall_back}` chooses meanwhile"
)
_TROUBLES = (
    ("it names one that may not be chosen", "`{fall_back}` chooses for that call"),
    (_RAISED, "`{fall_back}` chooses for all calls of that moment; the process goes on"),
    (_NO_ANSWER, _KILLED),
    ("it does not load within {start_s:g} s, or there is no such function", "the same"),
    ("there is no such file", "the same; the API and `tidegate servers strategy` refuse the name"),
)


def strategies_page() -> str:
    """Every strategy: what it prefers, its source, the meaning of its scores."""
    heads = {name: _module_head(name) for name in STRATEGIES}
    rows = [
        (as_code(name) + (" (the default)" if name == DEFAULT else ""), _first_sentence(head))
        for name, head in heads.items()
    ]
    sections = "".join(f"\n## {as_code(name)}\n\n{head}\n" for name, head in heads.items())
    table = markdown_table(("strategy", "whom it prefers"), rows)
    return f"{_HEAD}{table}{sections}{_custom_section()}"


def _custom_section() -> str:
    """How to write one of one's own, and what happens where it fails."""
    numbers = {
        "answer_ms": ANSWER_S * 1000,
        "again_s": AGAIN_FIRST_S,
        "again_max_s": AGAIN_MAX_S,
        "start_s": START_S,
        "fall_back": FALL_BACK,
    }
    troubles = [(what.format(**numbers), then.format(**numbers)) for what, then in _TROUBLES]
    return _CUSTOM.format(
        head=_head_of(custom),
        server_keys=_key_table(SERVER_KEYS),
        criteria_keys=_key_table(CRITERIA_KEYS),
        troubles=markdown_table(("what happens", "what follows"), troubles),
        memory_gb=MEMORY_BYTES_MAX / (1 << 30),
        **numbers,
    )


def _key_table(keys: Mapping[str, str]) -> str:
    return markdown_table(("key", "what"), [(as_code(key), what) for key, what in keys.items()])


def _module_head(name: str) -> str:
    return _head_of(STRATEGIES[name])


def _head_of(strategy: Strategy) -> str:
    """The docstring of a strategy's module, its source and its scores as paragraphs."""
    head = inspect.getdoc(sys.modules[strategy.__module__]) or ""
    return head.replace("\nScore: ", "\n\nScore: ")


def _first_sentence(head: str) -> str:
    """What stands after the name in the first paragraph."""
    sentence = " ".join(head.partition("\n\n")[0].split()).partition(": ")[2]
    return sentence.rstrip(".")

"""The page about what backends' failures mean: the built-in tables, in the order they are tried."""

from collections.abc import Mapping

from services.gateway.dialects.words import FILM_SUBMITTED_AFTER_S, SUBMITTED_AFTER_S
from services.gateway.domain.answers.failures import (
    CODES,
    FIRST_POLL_S,
    INNER_CODES,
    MESSAGES,
    UPLOADING,
)
from tidegate.reference.markdown import as_code, markdown_table

_SHORT = "UPLOADING"
_FILMS_S, _OTHERS_S = FILM_SUBMITTED_AFTER_S, SUBMITTED_AFTER_S
_HEAD = f"""# What backends' failures mean

A failure is judged by its envelope first: `code`, then `message`, then a code inside the message.
Only what no table knows is judged by the HTTP status
([what each does](../explanation/leases.md#what-each-outcome-does)), and what that leaves open is
`upstream_outcome_unknown`: a unit that is used until it is reconciled. Where it comes from, and
why a message is matched from its first character: [backends](../explanation/backends.md).

`not_accepted`: nothing was submitted; the unit is given back, the client may ask again, nobody is
blamed. So it is when a network's word (`connect ECONNREFUSED …`, `getaddrinfo ENOTFOUND …`) comes
within {FIRST_POLL_S:g} s.

**Said while polling**: the session is treated as said, the unit is unknown. So is a
`login_expired`, `quota_exhausted`, `risk_control` or `bad_parameter`, a rate limit or the
generator's own `not_accepted` that comes more than {_OTHERS_S:g} s after the request's last byte
({_FILMS_S:g} s for films), or that says of the work itself that it failed (`…生成失败…` with a
code), however soon.

`[gateway] codes`, `inner_codes` and `[[gateway.messages]]` are laid over these tables; with
`codes_replace = true` they stand in their place.
"""


def failures_page() -> str:
    """Every built-in entry."""
    messages = [
        (
            as_code(text.replace(UPLOADING, _SHORT)),
            as_code(meaning) if meaning else "as the code inside says",
        )
        for texts, meaning in MESSAGES
        for text in texts
    ]
    said = markdown_table(("begins with", "meaning"), messages)
    return (
        f"{_HEAD}\n## Codes of the envelope\n\n{_code_table(CODES)}"
        f"\n## Messages, in this order\n\n`{_SHORT}` is\n\n```\n{UPLOADING}\n```\n\n{said}"
        f"\n## Codes inside a message\n\n{_code_table(INNER_CODES)}"
        "\nAny other code that comes while a picture is uploaded is `not_accepted`.\n"
    )


def _code_table(codes: Mapping[str, str]) -> str:
    rows = [(as_code(name), as_code(meaning)) for name, meaning in codes.items()]
    return markdown_table(("code", "meaning"), rows)

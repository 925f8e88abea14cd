"""The dialects by name, and what each makes of a request."""

from services.gateway.dialects.chat import CHAT
from services.gateway.dialects.family import Backend, as_family_says, chat_as_generation
from services.gateway.dialects.words import Asked, Translation

FAMILY = {
    "jimeng": Backend(name="jimeng", compositions=True, pictures_max=10, omni=True),
    "drraw": Backend(
        name="drraw", compositions=True, pictures_max=10, all_durations=False, pause_s=2.0
    ),
    "jimeng-free-all": Backend(
        name="jimeng-free-all",
        reference="filePath",
        pictures_max=1,
        all_durations=False,
        film_paths=("file_paths",),
    ),
    "jimeng-free": Backend(name="jimeng-free", pixels=True, videos=False),
}
"""iptag/jimeng-api, gdtiti/drraw_nopoint, zhizinan1997/jimeng-free-api-all,
LLM-Red-Team/jimeng-free-api; `plain`, and whatever a later version may know, is none of them."""


def is_translated(dialect: str) -> bool:
    """Whether a request has to be read for this dialect."""
    return dialect in FAMILY


def translate_asked(dialect: str, asked: Asked) -> Translation:
    """Say what `asked` is in a dialect of `FAMILY`. Raises `UntranslatableError`."""
    backend = FAMILY[dialect]
    if asked.path == CHAT:
        return chat_as_generation(backend, asked)
    return as_family_says(backend, asked)

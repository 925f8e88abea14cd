"""`tidegate dashboard`: a link that signs a browser in."""

from typing import Any

from tidegate.console import api, output


def dashboard(*, as_json: bool = output.JSON) -> None:
    """Print a link to the dashboard; it signs in once, within five minutes, as the admin key does.

    Example: tidegate dashboard
    """
    answer: dict[str, Any] = api.post("/api/sign-in/links")
    output.print_answer(answer, answer["url"], as_json=as_json)
    if not as_json:
        output.print_note("it opens once, within five minutes, and signs in for twelve hours")

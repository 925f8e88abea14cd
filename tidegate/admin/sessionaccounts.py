"""`tidegate sessions join|tier`: whose quota a session uses, and by which limits."""

import typer

from tidegate.admin import sessionlists
from tidegate.console import output


def join_account(
    session_id: str = sessionlists.SESSION,
    account: str = typer.Argument(help="Name of the account, of up to 64 characters."),
    *,
    as_json: bool = output.JSON,
) -> None:
    """Have a session use an account's quota from now on, with all that do so: once, and for good.

    What it has used of the days that are kept is added to the account's. Zone and reset hour must
    be the account's; limits and tier, too, where it has any. Put no personal data into names.

    Example: tidegate sessions join ses_0a1b2c3d4e5f jimeng-7
    """
    sessionlists.change_session(session_id, {"account": account}, as_json=as_json)


def set_tier(
    session_id: str = sessionlists.SESSION,
    tier: str = typer.Argument(help="One of `[tiers]`; `none` takes it away."),
    *,
    as_json: bool = output.JSON,
) -> None:
    """Give a session's account the limits of a tier.

    Example: tidegate sessions tier ses_0a1b2c3d4e5f vip
    """
    body = {"tier": "" if tier == "none" else tier}
    sessionlists.change_session(session_id, body, as_json=as_json)

"""Links that were used and sign-ins that were ended, pure: part of the fold of `evt.keys`.

Each is remembered for as long as its token could still be taken, and an hour more: clocks differ.
"""

from datetime import datetime, timedelta

import msgspec

from contracts.gateway import SignedOut, SignInLinkUsed

_MARGIN = timedelta(hours=1)


class LinkUse(msgspec.Struct, frozen=True):
    """For which sign-in a link was used, and until when it would have been taken."""

    sign_in_id: str
    expires_at: datetime


class SpentTokens:
    """What opens nothing any more, though it is signed and not over."""

    def __init__(self) -> None:
        """Know of none."""
        self.links: dict[str, LinkUse] = {}
        self.ended: dict[str, datetime] = {}
        """Sign-ins that were signed out, and until when they would have lasted."""

    def on_link_used(self, event: SignInLinkUsed) -> None:
        """Know that a link was used; of two uses the first counts."""
        use = LinkUse(event.sign_in_id, event.expires_at)
        self.links.setdefault(event.link_id, use)

    def on_signed_out(self, event: SignedOut) -> None:
        """Know that a sign-in was ended."""
        self.ended[event.sign_in_id] = event.expires_at

    def forget_expired(self, at: datetime) -> None:
        """Let go of what would be refused at `at` in any case."""
        self.links = {
            link_id: use for link_id, use in self.links.items() if at - use.expires_at < _MARGIN
        }
        self.ended = {
            sign_in_id: until for sign_in_id, until in self.ended.items() if at - until < _MARGIN
        }

"""`/token/*` as the four backends answer it, and the accounts behind: live or not, with points.

`/demo/accounts` (GET, POST one or a list) says what an account is; who is not named is well and
has 60 points. What each answers is its `src/api/routes/token.ts`: `check` reads the body's `token`,
the others `Authorization`, whose `,` separates several; whoever's login is expired is told so by
an envelope, but by I's `check`, which makes `false` of every failure.
"""

from typing import Any

import msgspec

from demo import api
from demo.dialects import DemoBackend
from demo.door import DemoAnswer, Incoming
from demo.ledger import credential_hash

CHECK, POINTS, RECEIVE = "/token/check", "/token/points", "/token/receive"
PATHS = {
    "jimeng": (CHECK, POINTS, RECEIVE),
    "drraw": (CHECK,),
    "jimeng-free-all": (CHECK, POINTS),
    "jimeng-free": (CHECK, POINTS),
}
"""What each has."""
_LOGIN = "[登录失效]: login error。请重新获取refresh_token并更新配置"
_EXPIRED = {
    "jimeng": (-2002, _LOGIN),
    "drraw": (-2002, _LOGIN),
    "jimeng-free-all": (-2001, "[请求失败]: login error (错误码: 1015)"),
    "jimeng-free": (-2001, "[请求jimeng失败]: login error"),
}
"""The generator's 1015, as each passes it on (error-handler.ts; controllers/core.ts)."""
_decoder = msgspec.json.Decoder(dict[str, Any])


class DemoAccount(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An account of the generator's."""

    credential: str = ""
    """Those whose token's hash begins so."""
    expired: bool = False
    gift: int = 60
    purchase: int = 0
    vip: int = 0
    daily: int = 0
    """Points that `receive` would give; 0: it is told that there are none."""

    def as_points(self) -> dict[str, int]:
        """Say what it has, as `getCredit` does."""
        return {
            "giftCredit": self.gift,
            "purchaseCredit": self.purchase,
            "vipCredit": self.vip,
            "totalCredit": self.gift + self.purchase + self.vip,
        }


class Accounts:
    """The accounts in force, in order: the first that fits is meant."""

    def __init__(self) -> None:
        self.known: list[DemoAccount] = []

    def account_of(self, token: str) -> DemoAccount:
        """Find the account of a credential: behind its proxy and its region, by its token."""
        named = credential_hash(token.rpartition("@")[2])
        for account in self.known:
            if named.startswith(account.credential):
                return account
        return DemoAccount()

    def token_answer(self, backend: DemoBackend, incoming: Incoming) -> DemoAnswer | None:
        """Answer `/token/*` as a backend does; None where it has no such path."""
        path = incoming.path
        if incoming.method != "POST" or path not in PATHS[backend.name]:
            return None
        if path == CHECK:
            return self._check_answer(backend, incoming)
        authorization = incoming.header(b"authorization")
        if not authorization:
            return _token_refusal(backend, -2000, "Params headers.authorization invalid")
        tokens = authorization.replace("Bearer ", "", 1).split(",")
        if any(self.account_of(token).expired for token in tokens):
            return _token_refusal(backend, *_EXPIRED[backend.name])
        if path == POINTS:
            return api.json_answer(
                [{"token": item, "points": self.account_of(item).as_points()} for item in tokens]
            )
        return api.json_answer([self._receive_points(token) for token in tokens])

    def control_answer(self, incoming: Incoming) -> DemoAnswer:
        """Take in what the accounts are, and tell it."""
        if incoming.method == "POST":
            try:
                accounts = msgspec.json.decode(incoming.kept, type=DemoAccount | list[DemoAccount])
            except msgspec.DecodeError as error:
                return api.json_answer({"error": str(error)}, 400)
            self.known = accounts if isinstance(accounts, list) else [accounts]
        elif incoming.method == "DELETE":
            self.known = []
        return api.json_answer({"accounts": self.known})

    def _check_answer(self, backend: DemoBackend, incoming: Incoming) -> DemoAnswer:
        """Of a living account I alone says so: the others look for `ret` where there is none."""
        try:
            token = _decoder.decode(incoming.kept).get("token")
        except msgspec.DecodeError:
            token = None
        if not isinstance(token, str):
            return _token_refusal(backend, -2000, "Params body.token invalid")
        expired = self.account_of(token).expired
        if expired and backend.name != "jimeng":
            return _token_refusal(backend, *_EXPIRED[backend.name])
        return api.json_answer({"live": not expired and backend.name == "jimeng"})

    def _receive_points(self, token: str) -> dict[str, Any]:
        """Collect the day's points, which is tried only where there are none left."""
        account = self.account_of(token)
        before = account.as_points()
        if before["totalCredit"] > 0:
            return {"token": token, "credits": before, "received": False}
        if not account.daily:
            error = "[请求失败]: param error (错误码: 34010100)"
            return {"token": token, "credits": before, "received": False, "error": error}
        account.gift, account.daily = account.daily, 0
        return {"token": token, "credits": account.as_points(), "received": True}


def _token_refusal(backend: DemoBackend, code: int, message: str) -> DemoAnswer:
    out = api.as_refusal(code, message)
    out.status = backend.status_of(code)
    return out

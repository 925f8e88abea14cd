"""What a request becomes for each dialect that its servers speak: looked at before any lease."""

from collections.abc import Callable
from functools import partial

from contracts.balancer import PLAIN
from contracts.base import ServiceType
from services.gateway.clients.reading import read_asked
from services.gateway.clients.request import Request
from services.gateway.clients.uploads import Upload
from services.gateway.dialects.table import is_translated, translate_asked
from services.gateway.dialects.words import Asked, Translation, UntranslatableError
from services.gateway.domain.errors import GatewayError

_ONLY_PLAIN = frozenset({PLAIN})


class Wording:
    """One request in every dialect; its body is read when the first of them has to know it."""

    __slots__ = ("_request", "_translations", "_upload", "asks", "dialects")

    def __init__(self, request: Request, upload: Upload) -> None:
        """Nothing is read yet."""
        self._request = request
        self._upload = upload
        self._translations: dict[str, Translation] = {}
        self.asks: Asked | None = None
        """What the body asks for, once it was read."""
        self.dialects: list[str] = []
        """Those that can do it; empty: any."""

    async def translation_for(self, dialect: str) -> Translation | None:
        """Say what the request is in a dialect; None: what its client sent.

        Raises `UntranslatableError`, or `GatewayError` for a body that cannot be read.
        """
        if not is_translated(dialect):
            return None
        known = self._translations.get(dialect)
        if known is None:
            if self.asks is None:
                self.asks = await read_asked(self._request, self._upload)
            known = await self._upload.run_apart(partial(translate_asked, dialect, self.asks))
            self._translations[dialect] = known
        return known

    async def translation_for_server(self, dialect: str) -> Translation | None:
        """The same, for a server that is about to be asked.

        Raises `GatewayError` for what the fleet of a moment ago had nobody to object to.
        """
        try:
            return await self.translation_for(dialect)
        except UntranslatableError as error:
            raise GatewayError("invalid_request", error.message, error.param) from None


class Interpreter:
    """Knows which dialects the servers of a service type speak, by `dialects_of`."""

    def __init__(self, dialects_of: Callable[[ServiceType], frozenset[str]]) -> None:
        """Hold the question."""
        self._dialects_of = dialects_of

    async def find_dialects(self, service_type: ServiceType, wording: Wording) -> None:
        """Find which dialects can do the request, where one of them has to know the body.

        Raises `GatewayError` when none can: what the first of them objects to.
        """
        spoken = self._dialects_of(service_type)
        if spoken == _ONLY_PLAIN or not any(map(is_translated, spoken)):
            return
        objection: UntranslatableError | None = None
        able = []
        for dialect in sorted(spoken):
            try:
                await wording.translation_for(dialect)
            except UntranslatableError as error:
                objection = objection or error
            except GatewayError:
                # What cannot be read here may be of use to a server that gets it as it is.
                able = [one for one in spoken if not is_translated(one)]
                if not able:
                    raise
                break
            else:
                able.append(dialect)
        if not able and objection is not None:
            raise GatewayError("invalid_request", objection.message, objection.param)
        if len(able) < len(spoken):
            wording.dialects = able

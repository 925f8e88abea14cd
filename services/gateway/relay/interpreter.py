"""What a request becomes for each dialect that its servers speak: looked at before any lease."""

from collections.abc import Callable
from functools import partial

from contracts.balancer import PLAIN
from contracts.base import ServiceType
from services.gateway.clients.reading import asked_of
from services.gateway.clients.request import Request
from services.gateway.clients.uploads import Upload
from services.gateway.dialects.table import translated, translates
from services.gateway.dialects.words import Translation, UntranslatableError
from services.gateway.domain.errors import GatewayError

_ONLY_PLAIN = frozenset({PLAIN})


class Interpreter:
    """Knows which dialects the servers of a service type speak, by `dialects_of`."""

    def __init__(self, dialects_of: Callable[[ServiceType], frozenset[str]]) -> None:
        """Hold the question."""
        self._dialects_of = dialects_of

    def has_to_read(self, service_type: ServiceType) -> bool:
        """Whether a dialect among the type's servers has to know the body."""
        spoken = self._dialects_of(service_type)
        return spoken != _ONLY_PLAIN and any(map(translates, spoken))

    async def prepare(self, request: Request, upload: Upload) -> None:
        """Read the body, and find which dialects can do the request.

        Raises `GatewayError` when none can: what the first of them objects to.
        """
        spoken = self._dialects_of(request.service_type)
        objection: UntranslatableError | None = None
        able = []
        for dialect in sorted(spoken):
            try:
                await self.translation(request, upload, dialect)
            except UntranslatableError as error:
                objection = objection or error
            except GatewayError:
                # What cannot be read here may be of use to a server that gets it as it is.
                able = [one for one in spoken if not translates(one)]
                if not able:
                    raise
                break
            else:
                able.append(dialect)
        if not able and objection is not None:
            raise GatewayError("invalid_request", objection.message, objection.param)
        if len(able) < len(spoken):
            request.dialects = able

    async def translation(
        self, request: Request, upload: Upload, dialect: str
    ) -> Translation | None:
        """Say what the request is in a dialect; None: what its client sent.

        Raises `UntranslatableError`, or `GatewayError` for a body that cannot be read.
        """
        if not translates(dialect):
            return None
        known = request.translations.get(dialect)
        if known is None:
            if request.body_asks is None:
                request.body_asks = await asked_of(request, upload)
            known = await upload.apart(partial(translated, dialect, request.body_asks))
            request.translations[dialect] = known
        return known

    async def understood(
        self, request: Request, upload: Upload, dialect: str
    ) -> Translation | None:
        """The same, for a server that is about to be asked.

        Raises `GatewayError` for what the fleet of a moment ago had nobody to object to.
        """
        try:
            return await self.translation(request, upload, dialect)
        except UntranslatableError as error:
            raise GatewayError("invalid_request", error.message, error.param) from None

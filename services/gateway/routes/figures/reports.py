"""Reports that a person reads."""

from typing import Annotated

from litestar import Response, get
from litestar.di import NamedDependency
from litestar.params import FromPath, QueryParameter

from contracts.analytics import ReportFormat, ReportPeriod, WriteReport
from runtime.texts import as_quoted
from services.gateway.dashboard.policy import report_policy
from services.gateway.domain.errors import GatewayError
from services.gateway.routes.doors import Doors
from services.gateway.routes.parameters import one_of, parse_day

MEDIA_TYPES = {
    ReportFormat.HTML: "text/html",
    ReportFormat.MARKDOWN: "text/markdown",
    ReportFormat.JSON: "application/json",
}
Date = Annotated[
    str | None, QueryParameter(name="date", description="Last quota day; without one: today.")
]
Format = Annotated[str, QueryParameter(name="format", description=f"{', '.join(ReportFormat)}.")]


@get(
    "/reports/{period:str}",
    tags=["analysis"],
    summary="A daily or weekly report: html, md, json",
)
async def report(
    doors: NamedDependency[Doors],
    period: FromPath[str],
    date: Date = None,
    form: Format = ReportFormat.HTML,
) -> Response[bytes]:
    """Write the report of one quota day, or of the seven that end with it."""
    if period not in set(ReportPeriod):
        message = f"there is no report {as_quoted(period)}; there are: {', '.join(ReportPeriod)}"
        raise GatewayError("not_found", message)
    wanted = one_of("format", form, ReportFormat)
    last = "" if date is None else parse_day("date", date).isoformat()
    document = await doors.write_report(
        WriteReport(period=ReportPeriod(period), day=last, format=wanted)
    )
    text = document.text.encode()
    headers = {
        "x-log-sequence": str(document.sequence),
        "content-security-policy": report_policy(text),
    }
    return Response(text, media_type=MEDIA_TYPES[wanted], headers=headers)

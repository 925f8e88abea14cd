"""`tidegate report`: what a day or a week was like, written for a person."""

from enum import StrEnum

import typer

from tidegate.admin.figures import documents
from tidegate.console import api, output


class ReportForm(StrEnum):
    """What a report is written as."""

    MARKDOWN = "md"
    HTML = "html"
    JSON = "json"


app = typer.Typer(no_args_is_help=True, add_completion=False)
_DATE = typer.Option("", help="Last quota day it is about; by default today.")
_FORMAT = typer.Option(
    ReportForm.MARKDOWN,
    "--format",
    help="md: tables that fit a terminal, Markdown in a file; html with plots.",
)
_JSON = typer.Option(False, "--json", help="The same as --format json.")


@app.command("daily")
def report_day(*, date: str = _DATE, form: ReportForm = _FORMAT, as_json: bool = _JSON) -> None:
    """Report on one quota day, beside the day before.

    Example: tidegate report daily --date 2026-01-31 --format html > report.html
    """
    _print_report("daily", date, ReportForm.JSON if as_json else form)


@app.command("weekly")
def report_week(*, date: str = _DATE, form: ReportForm = _FORMAT, as_json: bool = _JSON) -> None:
    """Report on seven quota days, beside the seven before.

    Example: tidegate report weekly
    """
    _print_report("weekly", date, ReportForm.JSON if as_json else form)


def _print_report(period: str, date: str, form: ReportForm) -> None:
    asked = {"format": form.value} | ({"date": date} if date else {})
    with (
        api.options_for(date="--date"),
        api.download(f"/api/reports/{period}", **asked) as answer,
    ):
        answer.read()
    text = answer.text.rstrip("\n") + "\n"
    if form is ReportForm.MARKDOWN:
        documents.print_markdown(text)
    else:
        output.print_document(text)

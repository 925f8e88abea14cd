"""What `tidegate export` writes, by how the file is named."""

import pytest
import typer

from tidegate.admin.figures.export import ExportFormat, format_of


@pytest.mark.parametrize(
    ("file", "form"),
    [
        ("-", ExportFormat.CSV),
        ("figures", ExportFormat.CSV),
        ("/dev/stdout", ExportFormat.CSV),
        ("a.b/figures.CSV", ExportFormat.CSV),
        ("figures.json", ExportFormat.JSON),
        ("figures.ndjson", ExportFormat.NDJSON),
        ("figures.parquet", ExportFormat.PARQUET),
        ("figures.xlsx", ExportFormat.XLSX),
    ],
)
def test_file_is_written_as_it_is_named(file: str, form: ExportFormat) -> None:
    assert format_of(file) is form


def test_name_that_says_another_format_is_refused_with_those_there_are() -> None:
    with pytest.raises(typer.BadParameter, match=r"\.csv, \.json, .*, or --format; got 'a\.xls'"):
        format_of("a.xls")

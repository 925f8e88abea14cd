"""The dashboard's files: how long each may be kept, and what the page may run."""

import base64
import gzip
import hashlib
import re
from pathlib import Path

from services.gateway.dashboard.files import PAGE, page_files
from services.gateway.dashboard.policy import content_policy, report_policy, schema_policy
from services.gateway.routes import schema


def digest_of(text: bytes) -> str:
    """A hash as policies write it."""
    return base64.b64encode(hashlib.sha256(text).digest()).decode()


def test_import_map_is_the_only_inline_script_that_the_policy_allows() -> None:
    text = b'{"imports": {}}'
    page = b'<script type="importmap">' + text + b'</script><script>alert("no")</script>'

    policy = content_policy(page)

    assert policy.split("; ")[:2] == [
        "default-src 'none'",
        f"script-src 'self' 'sha256-{digest_of(text)}'",
    ]
    assert "'unsafe" not in policy


def test_page_over_the_api_and_reports_may_run_and_look_as_their_hashes_say() -> None:
    page = Path(schema.__file__).with_name("schema.html").read_bytes()
    (script,) = re.findall(rb"<script>(.*?)</script>", page, re.DOTALL)
    report = b"<style>p {}</style><p><style>smuggled {}</style>"

    over_api, of_report = schema_policy(page), report_policy(report)

    assert f"script-src 'sha256-{digest_of(script)}'" in over_api
    assert of_report == (f"default-src 'none'; style-src 'sha256-{digest_of(b'p {}')}'; sandbox")
    assert "unsafe" not in over_api + of_report
    assert b" style=" not in page


def test_page_names_its_files_by_the_digest_of_all_of_them() -> None:
    ours = page_files()

    named = re.findall(rb'"\./ui/([^/"]+)/([^"]+)"', ours.page.body)

    assert {digest.decode() for digest, _ in named} == {ours.digest}
    assert {name.decode() for _, name in named} <= set(ours.files)


def test_file_is_kept_for_good_under_this_digest_and_asked_again_under_others() -> None:
    ours = page_files()
    file = ours.files["app.js"]

    assert ours.file_at(f"/{ours.digest}/app.js") == (
        file,
        "public, max-age=31536000, immutable",
    )
    assert ours.file_at("/0123456789abcdef/app.js") == (file, "no-cache")
    assert ours.file_at("/app.js") == (file, "no-cache")


def test_no_path_leads_out_of_the_files() -> None:
    ours = page_files()

    for path in (
        "/files.py",
        "/../app.py",
        f"/{ours.digest}/../../app.py",
        "//etc/passwd",
        "/",
        "",
    ):
        assert ours.file_at(path) is None


def test_digest_changes_with_any_byte_and_with_any_name(tmp_path: Path) -> None:
    (tmp_path / PAGE).write_text("<p>")
    digests = set()
    for name, text in (("a.js", "1"), ("a.js", "2"), ("b.js", "2")):
        folder = tmp_path / f"{name}{text}"
        folder.mkdir()
        (folder / PAGE).write_text("<p>")
        (folder / name).write_text(text)
        digests.add(page_files(folder).digest)

    assert len(digests) == 3


def test_packed_file_unpacks_to_the_file() -> None:
    packed = [file for file in page_files().files.values() if file.packed]

    assert len(packed) > 10
    assert all(gzip.decompress(file.packed) == file.body for file in packed)

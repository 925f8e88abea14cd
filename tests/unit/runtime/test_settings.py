"""`tidegate.toml` and its variables: what is read, and what is refused by name."""

import math
from pathlib import Path
from typing import Any

import msgspec
import pytest

from runtime.environment import VARIABLES, read_environment
from runtime.quantities import Seconds, Size, parse_seconds, parse_size
from runtime.settings import (
    DEFAULT_SERVICES,
    Section,
    SettingsError,
    read_configuration,
    read_toml,
    variable_of,
    with_default_services,
    with_overrides,
)
from services.balancer.settings import ServerSection
from tidegate.configuration import Configuration, load_configuration


def loaded(tmp_path: Path, toml: str = "", **variables: str) -> Configuration:
    """What a file and variables come to."""
    file = tmp_path / "my.toml"
    file.write_text(toml)
    given = {f"TIDEGATE_{name}": value for name, value in variables.items()}
    return load_configuration(read_environment({"TIDEGATE_CONFIG": str(file), **given}))


def settings_error(tmp_path: Path, toml: str = "", **variables: str) -> str:
    """Why they are refused, without the folder."""
    with pytest.raises(SettingsError) as error:
        loaded(tmp_path, toml, **variables)
    return str(error.value).replace(f"{tmp_path}/", "")


# ------------------------------------------------------------------- durations and sizes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("500ms", 0.5),
        ("5s", 5),
        ("10m", 600),
        ("2h", 7200),
        ("1d", 86400),
        ("1.5h", 5400),
        ("2 h", 7200),
        ("0s", 0),
        ("30", 30),
        (30, 30),
        (0.25, 0.25),
    ],
)
def test_a_duration_is_read(text: object, expected: float) -> None:
    assert parse_seconds(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "soon", "-5s", "5 weeks", "5S", "1e3s", "\u0665s", -1, True, math.inf, math.nan, None],
)
def test_what_is_no_duration_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match=r'expected a duration such as "500ms", "5s" or "10m"'):
        parse_seconds(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("64KB", 64_000),
        ("100MB", 100_000_000),
        ("20GB", 20_000_000_000),
        ("1TB", 10**12),
        ("1.5kb", 1500),
        ("12", 12),
        ("12B", 12),
        (12, 12),
        (0, 0),
    ],
)
def test_a_size_is_read(text: object, expected: int) -> None:
    assert parse_size(text) == expected


@pytest.mark.parametrize(
    "text", ["", "big", "-1MB", "1PB", "1MiB", "1.5", "1.5B", "\u0663MB", -1, True, 1.5, None]
)
def test_what_is_no_size_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match=r'expected a size such as "64KB" or "100MB"'):
        parse_size(text)


# ------------------------------------------------------------------------------ the file


def test_no_file_is_the_defaults(tmp_path: Path) -> None:
    found = loaded(tmp_path)

    assert found == Configuration()
    assert found.pool.lease_ttl == Seconds(900)
    assert found.gateway.max_body == 100_000_000
    assert found.services == DEFAULT_SERVICES


def test_the_file_is_read(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        """
        [gateway]
        max_body = "1MB"
        [pool]
        lease_ttl = "90s"
        [pool.provisioner]
        kind = "none"
        [log]
        max_bytes = "2GB"
        [[servers]]
        id = "a"
        url = "http://127.0.0.1:9001"
        """,
    )

    assert found.gateway.max_body == 1_000_000
    assert found.pool.lease_ttl == Seconds(90)
    assert found.pool.provisioner.kind == "none"
    assert found.log.max_bytes == 2_000_000_000
    assert [server.server_id for server in found.servers] == ["a"]


def test_a_service_type_of_the_file_stands_beside_the_built_in_ones(tmp_path: Path) -> None:
    found = loaded(tmp_path, '[services.music]\ndaily_limit = 3\npaths = ["/v1/music"]\n')

    assert set(found.services) == {"image", "video", "avatar", "music"}


def test_one_key_of_a_built_in_service_type_leaves_the_others_as_they_are(tmp_path: Path) -> None:
    found = loaded(tmp_path, "[services.image]\ndaily_limit = 99\n")

    default = DEFAULT_SERVICES["image"]
    assert found.services["image"] == msgspec.structs.replace(default, daily_limit=99)


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[pool\n", "my.toml: not valid TOML: "),
        ("[pol]\n", "my.toml: pol: there is no such setting; did you mean pool?"),
        (
            "[pool]\nmin_sise = 1\n",
            "my.toml: pool.min_sise: there is no such setting; did you mean min_size?",
        ),
        ("[pool]\nzzz = 1\n", "my.toml: pool.zzz: there is no such setting"),
        (
            '[[servers]]\nid = "a"\nurl = "http://127.0.0.1:1"\nmax_wait = "30s"\n',
            "my.toml: servers.a.max_wait: there is no such setting; it stands in [gateway]",
        ),
        ("[pool]\nkind = 1\n", "my.toml: pool.kind: there is no such setting"),
        ('[pool]\nmin_size = "many"\n', "my.toml: pool.min_size: expected `int`, got 'many'"),
        ('[pool]\nmin_size = "5"\n', "my.toml: pool.min_size: expected `int`, got '5'"),
        ("[pool]\nmin_size = true\n", "my.toml: pool.min_size: expected `int`, got True"),
        ("[pool]\nmin_size = -1\n", "my.toml: pool.min_size: expected at least 0"),
        ('[pool]\nlease_ttl = "soon"\n', "my.toml: pool.lease_ttl: expected a duration such as"),
        ('[gateway]\nmax_body = "big"\n', "my.toml: gateway.max_body: expected a size such as"),
        ("pool = 3\n", "my.toml: pool: expected `object`, got 3"),
        ("services = 3\n", "my.toml: services: expected `object`, got 3"),
        (
            '[pool.provisioner]\nkind = "magic"\n',
            'my.toml: pool.provisioner.kind: expected "generated", "file", "http", "none", got ',
        ),
        (
            "[services.music]\npriority = 1\n",
            "my.toml: services.music: object missing required field `daily_limit`",
        ),
        (
            '[services.image]\nunits = "picture"\n',
            'my.toml: services.image.units: expected "request" or "n"',
        ),
        ("[services.image]\ndaily_limit = -1\n", "my.toml: services.image.daily_limit: expected"),
        ("[services]\nimage = 5\n", "my.toml: services.image: expected `object`, got 5"),
        (
            '[[servers]]\nid = "a"\nurl = "http://127.0.0.1:1"\nweight = "x"\n',
            "my.toml: servers.a.weight: expected `int`, got 'x'",
        ),
        (
            '[[servers]]\nurl = "http://127.0.0.1:1"\nwieght = 1\n',
            "my.toml: servers.0.wieght: there is no such setting; did you mean weight?",
        ),
        ("servers = [1]\n", "my.toml: servers.0: expected `object`, got 1"),
    ],
)
def test_a_wrong_file_is_refused_by_file_key_and_expectation(
    tmp_path: Path, toml: str, message: str
) -> None:
    assert settings_error(tmp_path, toml).startswith(message)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.toml: there is no such file"):
        read_toml(tmp_path / "none.toml")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="expected a file to read"):
        read_toml(tmp_path)


def test_a_file_that_is_not_utf_8_is_refused(tmp_path: Path) -> None:
    (tmp_path / "odd.toml").write_bytes(b"\xff\xfe")

    with pytest.raises(SettingsError, match=r"odd\.toml: not valid TOML: expected text"):
        read_toml(tmp_path / "odd.toml")


def test_no_file_at_all_is_empty() -> None:
    assert read_toml(None) == {}


# ------------------------------------------------------------------------- the variables


@pytest.mark.parametrize(
    ("variable", "text", "read"),
    [
        ("POOL_MIN_SIZE", "1", lambda found: found.pool.min_size == 1),
        ("POOL_LEASE_TTL", "90s", lambda found: found.pool.lease_ttl == 90),
        ("POOL_LEASE_TTL", "90", lambda found: found.pool.lease_ttl == 90),
        ("POOL_REFRESH_THRESHOLD", "0.5", lambda found: found.pool.refresh_threshold == 0.5),
        ("POOL_QUOTA_TIMEZONE", "Asia/Shanghai", lambda found: "Asia" in found.pool.quota_timezone),
        ("POOL_PROVISIONER_KIND", "none", lambda found: found.pool.provisioner.kind == "none"),
        ("SERVICES_IMAGE_DAILY_LIMIT", "7", lambda found: found.services["image"].daily_limit == 7),
        ("SERVICES_VIDEO_UNITS", "n", lambda found: found.services["video"].units == "n"),
        ("GATEWAY_MAX_BODY", "5MB", lambda found: found.gateway.max_body == 5_000_000),
        ("LOG_MAX_BYTES", "2GB", lambda found: found.log.max_bytes == 2_000_000_000),
        ("BALANCER_STRATEGY", "round_robin", lambda found: "round" in found.balancer.strategy),
    ],
)
def test_a_variable_sets_what_it_names(tmp_path: Path, variable: str, text: str, read: Any) -> None:
    assert read(loaded(tmp_path, **{variable: text}))


def test_a_log_is_kept_by_an_odd_number_of_servers(tmp_path: Path) -> None:
    assert loaded(tmp_path).log.replicas == 1
    assert loaded(tmp_path, LOG_REPLICAS="3").log.replicas == 3
    message = settings_error(tmp_path, "[log]\nreplicas = 2\n")
    assert message == "my.toml: log.replicas: expected 1, 3 or 5"


def test_a_variable_stands_over_the_file(tmp_path: Path) -> None:
    toml = "[pool]\nmin_size = 9\nmax_size = 10\n"

    found = loaded(tmp_path, toml, POOL_MIN_SIZE="1")

    assert (found.pool.min_size, found.pool.max_size) == (1, 10)


def test_a_variable_sets_a_service_type_that_only_the_file_has(tmp_path: Path) -> None:
    toml = "[services.music-2]\ndaily_limit = 3\n"

    found = loaded(tmp_path, toml, SERVICES_MUSIC_2_DAILY_LIMIT="4")

    assert found.services["music-2"].daily_limit == 4


@pytest.mark.parametrize(
    ("variable", "text", "message"),
    [
        (
            "POOL_MIN_SISE",
            "1",
            (
                "TIDEGATE_POOL_MIN_SISE: there is no such setting;"
                " did you mean TIDEGATE_POOL_MIN_SIZE?"
            ),
        ),
        (
            "NATS_URI",
            "x",
            "TIDEGATE_NATS_URI: there is no such setting; did you mean TIDEGATE_NATS_URL?",
        ),
        ("QQQQQQQQQ", "1", "TIDEGATE_QQQQQQQQQ: there is no such setting"),
        ("POOL_MIN_SIZE", "many", "TIDEGATE_POOL_MIN_SIZE: expected `int`, got 'many'"),
        ("POOL_MIN_SIZE", "-1", "TIDEGATE_POOL_MIN_SIZE: expected at least 0"),
        ("POOL_LEASE_TTL", "soon", "TIDEGATE_POOL_LEASE_TTL: expected a duration such as"),
        ("GATEWAY_MAX_BODY", "big", "TIDEGATE_GATEWAY_MAX_BODY: expected a size such as"),
        (
            "POOL_PROVISIONER_KIND",
            "x",
            'TIDEGATE_POOL_PROVISIONER_KIND: expected "generated", "file", ',
        ),
        ("SERVICES_IMAGE_UNITS", "x", 'TIDEGATE_SERVICES_IMAGE_UNITS: expected "request" or "n"'),
        ("SERVICES_MUSIC_DAILY_LIMIT", "1", "TIDEGATE_SERVICES_MUSIC_DAILY_LIMIT: there is no"),
        ("SERVERS", "[]", "TIDEGATE_SERVERS: there is no such setting"),
        ("SERVICES_IMAGE_PATHS", "/x", "TIDEGATE_SERVICES_IMAGE_PATHS: there is no such setting"),
    ],
)
def test_a_wrong_variable_is_refused_by_its_name(
    tmp_path: Path, variable: str, text: str, message: str
) -> None:
    assert settings_error(tmp_path, **{variable: text}).startswith(message)


def test_a_variable_over_a_section_that_is_no_table_is_refused_and_not_a_crash(
    tmp_path: Path,
) -> None:
    assert settings_error(tmp_path, "pool = 3\n", POOL_MIN_SIZE="1").startswith(
        "my.toml: pool: expected"
    )


def test_the_file_itself_is_not_changed_by_variables() -> None:
    tables: dict[str, Any] = {"pool": {"min_size": 9}}

    with_overrides(tables, Configuration, {"TIDEGATE_POOL_MIN_SIZE": "1"})

    assert tables == {"pool": {"min_size": 9}}


# ----------------------------------------------------------- whatever a section may hold


class Inner(Section, frozen=True, kw_only=True):
    every: Seconds = Seconds(1)
    most: Size | None = None


class Whole(Section, frozen=True, kw_only=True):
    inner: Inner | None = None
    servers: list[ServerSection] = []
    names: dict[str, int] = {}


def test_an_optional_table_is_filled_when_it_is_there() -> None:
    given = {"TIDEGATE_INNER_MOST": "1KB"}

    found = read_configuration(with_overrides({}, Whole, given), Whole, "here")

    assert found.inner == Inner(most=Size(1000))


def test_a_fault_in_a_mapping_is_named_by_its_key() -> None:
    with pytest.raises(SettingsError, match=r"here: names\.one: expected `int`, got 'x'"):
        read_configuration({"names": {"one": "x"}}, Whole, "here")


def test_a_section_that_refuses_without_a_name_is_named_by_its_place() -> None:
    with pytest.raises(SettingsError, match=r"here: inner\.every: expected a duration"):
        read_configuration({"inner": {"every": []}}, Whole, "here")


def test_a_path_with_a_dash_has_a_variable() -> None:
    assert variable_of(("services", "music-2", "units")) == "TIDEGATE_SERVICES_MUSIC_2_UNITS"


def test_services_that_are_no_table_are_left_to_be_refused() -> None:
    assert with_default_services({"services": 3}) == {"services": 3}


def test_every_variable_of_the_process_is_no_setting() -> None:
    given = {name: "1" for name in VARIABLES if "<" not in name and "CLOCK" not in name}

    assert read_environment({**given, "TIDEGATE_CONFIG": "x"}).overrides == {}


@pytest.mark.parametrize("text", ["36501d", 1e300, 10**400, "9" * 400 + "d"])
def test_duration_of_more_than_a_hundred_years_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match='expected a duration of at most "36500d"'):
        parse_seconds(text)


@pytest.mark.parametrize("text", ["9008TB", 2**53, "9" * 400 + "TB"])
def test_size_that_no_counter_holds_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match='expected a size of at most "9000TB"'):
        parse_size(text)


@pytest.mark.parametrize(
    ("toml", "variables", "where"),
    [
        (f"[pool]\nmax_size = {2**53}", {}, "my.toml: pool.max_size"),
        (f"[services.image]\ndaily_limit = {2**63}", {}, "my.toml: services.image.daily_limit"),
        ("", {"GATEWAY_ATTEMPTS_MAX": str(10**31)}, "TIDEGATE_GATEWAY_ATTEMPTS_MAX"),
    ],
)
def test_number_of_a_setting_out_of_bounds_is_refused_by_name(
    tmp_path: Path, toml: str, variables: dict[str, str], where: str
) -> None:
    message = settings_error(tmp_path, toml, **variables)

    assert message == f"{where}: expected a number of at most 9,007,199,254,740,991"

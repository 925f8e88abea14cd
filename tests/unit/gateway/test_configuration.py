"""What operators changed by the API stands over what file and variables say."""

from services.gateway.routes.admin.configuration import SettingInForce, with_changes_by_api
from tests.unit.gateway.test_attention import balancer_said, server_view


def setting(name: str, value: str) -> SettingInForce:
    return SettingInForce(name=name, value=value, source="file", variable=None, secret=False)


def test_a_strategy_that_an_operator_chose_is_from_the_api() -> None:
    configured = [setting("balancer.strategy", "round_robin"), setting("balancer.other", "x")]

    assert with_changes_by_api(configured, balancer_said())[:2] == configured
    pinned = with_changes_by_api(configured, balancer_said(pinned="adaptive"))[0]
    assert (pinned.value, pinned.source) == ("adaptive", "api")


def test_a_server_that_no_file_names_is_from_the_api() -> None:
    configured = [setting("servers.a.b.url", "http://a.b:9001")]

    listed = with_changes_by_api(configured, balancer_said(server_view("a.b"), server_view("two")))

    assert [(one.name, one.source) for one in listed] == [
        ("servers.a.b.url", "file"),
        ("servers.two.url", "api"),
    ]


def test_where_nothing_is_listed_nothing_is_added() -> None:
    assert with_changes_by_api([], balancer_said()) == []

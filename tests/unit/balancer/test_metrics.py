"""What Prometheus is told of servers that are not simply up."""

from datetime import timedelta

from prometheus_client import generate_latest

from contracts.balancer import ServerEjected, ServerHalfOpened
from contracts.base import ServerId, ServiceType
from runtime.clock import system_clock
from services.balancer.domain import Balancer
from services.balancer.metrics import Metrics
from tests.unit.balancer.builders import down, well

VIDEO = ServiceType("video")


def lines_about(balancer: Balancer, metric: str) -> list[str]:
    """The samples of one metric, as they are scraped."""
    text = generate_latest(Metrics(balancer).registry).decode()
    return [line for line in text.splitlines() if line.startswith(f"tidegate_balancer_{metric}{{")]


def out_for(name: str, service_type: str = "") -> ServerEjected:
    """An ejection that began a moment ago."""
    return ServerEjected(
        server_id=ServerId(name),
        until=system_clock() + timedelta(hours=1),
        times=1,
        reason="5 failures in a row",
        service_type=ServiceType(service_type),
    )


def test_an_ejection_of_one_service_type_is_told_with_its_reason_and_its_end() -> None:
    balancer = well("a", "b", "c")
    balancer.take_event(out_for("a", "video"))
    balancer.take_event(out_for("b"))
    balancer.take_event(down("c"))

    reasons = lines_about(balancer, "server_reason")
    ends = lines_about(balancer, "back_in_seconds")

    failed = 'reason="5 failures in a row"'
    assert [line.removeprefix("tidegate_balancer_server_reason") for line in reasons] == [
        f'{{{failed},server="a",service_type="video",state="ejected"}} 1.0',
        f'{{{failed},server="b",service_type="",state="ejected"}} 1.0',
        '{reason="test",server="c",service_type="",state="down"} 1.0',
    ]
    assert [line.partition(" ")[0] for line in ends] == [
        'tidegate_balancer_back_in_seconds{server="a",service_type="video"}',
        'tidegate_balancer_back_in_seconds{server="b",service_type=""}',
    ]
    assert all(3500 < float(line.rpartition(" ")[2]) <= 3600 for line in ends)


def test_one_that_is_tried_again_has_a_reason_and_no_end_and_who_is_well_has_neither() -> None:
    balancer = well("a")

    assert lines_about(balancer, "server_reason") == []

    balancer.take_event(out_for("a", "video"))
    opened = ServerHalfOpened(
        server_id=ServerId("a"), reason="answered a probe", service_type=VIDEO
    )
    balancer.take_event(opened)

    (line,) = lines_about(balancer, "server_reason")
    assert 'reason="5 failures in a row"' in line
    assert 'state="half_open"' in line
    assert lines_about(balancer, "back_in_seconds") == []

"""What an operator may call things."""

import pytest

from runtime.names import writable
from runtime.settings import DEFAULT_SERVICES, ServiceTypeSection
from services.gateway.settings import Settings as GatewaySettings
from services.pool.settings import Settings as PoolSettings

MUSIC = ServiceTypeSection(daily_limit=1)


@pytest.mark.parametrize("name", ["image", "音乐", "one two", "a" * 64, "a.b-c_d"])
def test_name_that_can_be_read_is_one(name: str) -> None:
    assert writable(name)


@pytest.mark.parametrize("name", ["", "a" * 65, "a\nb", "a\x1b[2Jb", "a\u202eb", "a\x85", "\ud800"])
def test_service_type_that_cannot_be_written_is_refused(name: str) -> None:
    services = {**DEFAULT_SERVICES, name: MUSIC}

    assert not writable(name)
    with pytest.raises(ValueError, match="services: expected names of 1 to 64 printable"):
        GatewaySettings(services=services)
    with pytest.raises(ValueError, match="services: expected names of 1 to 64 printable"):
        PoolSettings(services=services)

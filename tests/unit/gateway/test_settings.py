"""What a gateway's settings refuse, and what is never in the refusal."""

import pytest

from contracts.base import ServiceType
from runtime.quantities import Seconds
from runtime.settings import SettingsError, read_configuration
from services.gateway.metrics import Metrics
from services.gateway.relay.upstream.parts import Upstream
from services.gateway.settings import GatewaySection, Settings
from services.gateway.transport import Transport


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://proxy.example",
        "http://proxy.example:3128/",
        "https://me:p%40ss@proxy.example:3128",
        "http://[::1]:3128",
    ],
)
def test_proxy_is_an_address_of_http(url: str) -> None:
    assert read_configuration({"proxy": url}, GatewaySection, "file").proxy == url


@pytest.mark.parametrize(
    "url",
    [
        "proxy.example:3128",
        "socks5://me:hush@proxy.example",
        "http://me:hush@",
        "http://me:hush@proxy.example:0",
        "http://me:hush@proxy.example:port",
        "http://me:hu@sh@proxy.example",
        "http://me:hush/hush@proxy.example",
        "http://me:hush@proxy.example/path",
        "http://me:hush@proxy.example?query",
        "http://me:hush@proxy.example\r\nX-Evil: 1",
        "http://me:hush @proxy.example",
    ],
)
def test_proxy_that_is_none_is_refused_without_its_secret(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^file: proxy: expected an address such as") as e:
        read_configuration({"proxy": url}, GatewaySection, "file")
    assert "hush" not in str(e.value)
    assert "sh@" not in str(e.value)


@pytest.mark.parametrize(
    ("section", "video_s", "song_s"),
    [
        (GatewaySection(), 5400, 600),
        (GatewaySection(first_byte_timeout=Seconds(7)), 7, 7),
    ],
)
def test_a_server_of_a_type_that_is_no_more_configured_has_the_common_patience(
    section: GatewaySection, video_s: float, song_s: float
) -> None:
    """Its call came before: an unknown patience would be one without end."""
    upstream = Upstream(Transport(), Settings(gateway=section, services={}), Metrics())

    assert upstream.first_byte_s(ServiceType("video")) == video_s
    assert upstream.first_byte_s(ServiceType("song")) == song_s


@pytest.mark.parametrize("text", ["gate", "/", "/gate/", "//gate", "/ga te", "/../x", "/é"])
def test_base_path_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match='base_path: expected a path such as "/tidegate"'):
        GatewaySection(base_path=text)

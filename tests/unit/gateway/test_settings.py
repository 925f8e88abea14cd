"""What a gateway's settings refuse, and what is never in the refusal."""

import pytest

from runtime.settings import SettingsError, read_configuration
from services.gateway.settings import GatewaySection


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

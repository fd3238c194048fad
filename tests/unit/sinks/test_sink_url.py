"""The parts of sink URLs."""

from __future__ import annotations

import pytest

from tocsin.event.errors import ConfigError
from tocsin.sinks.url import bracketed, host_and_port, split


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("x://log.example.org:514/", ("log.example.org", 514)),
        ("x://[2001:db8::1]:514", ("2001:db8::1", 514)),
        ("x://log.example.org", ("log.example.org", None)),
        ("x:///run/socket", ("", None)),
    ],
)
def test_host_and_port_of_a_url(url: str, found: tuple[str, int | None]) -> None:
    """An IPv6 address comes without its brackets."""
    assert host_and_port(split(url), "it must look like x://host") == found


@pytest.mark.parametrize("port", ["syslog", "70000"])
def test_a_port_that_is_none_is_told_with_the_form_and_without_the_url(port: str) -> None:
    """A password may be in the URL."""
    with pytest.raises(ConfigError, match="it must look like x://host") as caught:
        host_and_port(split(f"x://me:hunter2@log.example.org:{port}"), "it must look like x://host")
    assert "hunter2" not in str(caught.value)


def test_only_ipv6_addresses_stand_in_brackets() -> None:
    """As RFC 3986 has it."""
    assert bracketed("2001:db8::1") == "[2001:db8::1]"
    assert bracketed("127.0.0.1") == "127.0.0.1"
    assert bracketed("log.example.org") == "log.example.org"

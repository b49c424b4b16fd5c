# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.

"""Sessions: log-in, renewal, masters, and what breaks."""

from __future__ import annotations

import concurrent.futures
import dataclasses
import pathlib
import socket
import ssl
import threading
from typing import Any, Callable, Tuple

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import endpoint
from nova_swift_handler.xapi import session as sessions

from . import certificates
from . import host as hosts


def test_a_call_returns_the_value(session: sessions.Session, host: hosts.Host) -> None:
    host.methods["SR.get_type"] = lambda ref: {"OpaqueRef:1": "ext"}[ref]
    assert session.call("SR.get_type", "OpaqueRef:1") == "ext"


def test_leaving_the_context_logs_out(settings: sessions.XapiSettings, host: hosts.Host) -> None:
    with sessions.Session(settings):
        assert len(host.sessions) == 1
    assert host.sessions == []


def test_a_closed_session_makes_no_calls(settings: sessions.XapiSettings) -> None:
    with sessions.Session(settings) as session:
        pass
    with pytest.raises(exceptions.XapiError, match="is not open"):
        session.call("pool.get_all")


def test_a_wrong_password_names_the_url_and_the_options(
        settings: sessions.XapiSettings, host: hosts.Host, raises: Any) -> None:
    wrong = dataclasses.replace(settings, password="wrong-but-secret")
    with raises(exceptions.XapiError, "connection_username and connection_password") as caught, \
            sessions.Session(wrong):
        pass
    assert host.url in str(caught.value)
    assert "wrong-but-secret" not in str(caught.value)
    assert caught.value.code == "SESSION_AUTHENTICATION_FAILED"


def test_neither_settings_nor_session_show_secrets(session: sessions.Session,
                                                   host: hosts.Host) -> None:
    shown = repr(session) + str(session) + repr(session.settings)
    assert hosts.PASSWORD not in shown
    assert host.refs[0] not in shown


def test_an_expired_session_is_renewed(session: sessions.Session, host: hosts.Host) -> None:
    host.methods["pool.get_all"] = lambda: ["OpaqueRef:p"]
    host.sessions.clear()
    assert session.call("pool.get_all") == ["OpaqueRef:p"]
    assert len(host.refs) == 2


def test_a_host_that_never_accepts_its_own_session_is_asked_twice_only(
        session: sessions.Session, host: hosts.Host, raises: Any) -> None:
    def refuse(*_args: Any) -> None:
        raise hosts.Failure("SESSION_INVALID", host.refs[-1])

    host.methods["pool.get_all"] = refuse
    with raises(exceptions.XapiError, "SESSION_INVALID"):
        session.call("pool.get_all")
    assert len(host.refs) == 2


def test_threads_share_one_renewal(session: sessions.Session, host: hosts.Host) -> None:
    host.methods["pool.get_all"] = lambda: ["OpaqueRef:p"]
    host.sessions.clear()
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: session.call("pool.get_all"), range(40)))
    assert answers == [["OpaqueRef:p"]] * 40
    assert len(host.refs) == 2


def test_a_slave_sends_calls_to_its_master(settings: sessions.XapiSettings,
                                           host: hosts.Host) -> None:
    with hosts.Host("127.0.0.2", host.port) as slave:
        slave.master = host.address
        host.methods["pool.get_all"] = lambda: ["OpaqueRef:p"]
        with sessions.Session(dataclasses.replace(settings, url=slave.url)) as session:
            assert session.call("pool.get_all") == ["OpaqueRef:p"]
            assert str(session.endpoint) == slave.url
    assert host.sessions == []


def test_a_new_master_is_found_in_mid_session(session: sessions.Session,
                                              host: hosts.Host) -> None:
    with hosts.Host("127.0.0.2", host.port) as other:
        other.methods["pool.get_all"] = lambda: ["OpaqueRef:p"]
        host.master = other.address
        assert session.call("pool.get_all") == ["OpaqueRef:p"]


def test_the_configured_host_is_asked_for_a_master_when_that_is_gone(
        settings: sessions.XapiSettings, host: hosts.Host) -> None:
    """A slave that became the master knows; the old one's address answers no more."""
    with hosts.Host("127.0.0.2", host.port) as slave:
        slave.methods["pool.get_all"] = lambda: ["OpaqueRef:p"]
        slave.master = host.address
        with sessions.Session(dataclasses.replace(settings, url=slave.url)) as session:
            host.before = lambda method: b"HTTP/1.1 503 Service Unavailable\r\n\r\n"
            slave.master = None
            with pytest.raises(exceptions.XapiUnreachable):
                session.call("pool.get_all")
            assert session.call("pool.get_all") == ["OpaqueRef:p"]


def test_an_unknown_record_keeps_its_code(session: sessions.Session, host: hosts.Host,
                                          raises: Any) -> None:
    def unknown(name: str) -> None:
        raise hosts.Failure("UUID_INVALID", "VDI", name)

    host.methods["VDI.get_by_uuid"] = unknown
    with raises(exceptions.XapiError, "looking for it failed.*does not exist") as caught:
        session.call("VDI.get_by_uuid", "abc", doing="looking for it")
    assert (caught.value.code, caught.value.params) == ("UUID_INVALID", ("VDI", "abc"))


def test_a_session_reference_in_an_answer_is_not_passed_on(
        session: sessions.Session, host: hosts.Host, raises: Any) -> None:
    def leak() -> None:
        raise hosts.Failure("HANDLE_INVALID", "session", host.refs[-1])

    host.methods["pool.get_all"] = leak
    with raises(exceptions.XapiError) as caught:
        session.call("pool.get_all")
    assert caught.value.params == ("session", "<session>")


def test_nor_is_one_that_the_session_had_before(session: sessions.Session, host: hosts.Host,
                                                raises: Any) -> None:
    old, _generation = session.credentials()
    host.sessions.clear()

    def fail() -> None:
        raise hosts.Failure("INTERNAL_ERROR", "about " + old)

    host.methods["pool.get_all"] = fail
    with raises(exceptions.XapiError, "about <session>"):
        session.call("pool.get_all")


def test_a_change_that_was_never_sent_is_sent_again(
        session: sessions.Session, host: hosts.Host, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [ConnectionRefusedError()]
    connect = endpoint.Endpoint.connect

    def refused(self: Any, settings: Any) -> Any:
        if failures:
            raise failures.pop()
        return connect(self, settings)

    host.methods["VDI.create"] = lambda: "OpaqueRef:v"
    monkeypatch.setattr(endpoint.Endpoint, "connect", refused)
    assert session.call("VDI.create") == "OpaqueRef:v"


def test_a_read_whose_connection_breaks_is_repeated(session: sessions.Session,
                                                    host: hosts.Host) -> None:
    breaks = iter([b"", b""])
    host.before = lambda _method: next(breaks, None)
    host.methods["pool.get_all"] = lambda: ["OpaqueRef:p"]
    assert session.call("pool.get_all") == ["OpaqueRef:p"]


def test_a_change_whose_connection_breaks_is_not_sent_twice(
        session: sessions.Session, host: hosts.Host, raises: Any) -> None:
    seen = []

    def before(method: str) -> bytes:
        seen.append(method)
        return b""

    host.before = before
    with raises(exceptions.XapiUnreachable):
        session.call("VDI.create", {})
    host.before = None
    assert seen == ["VDI.create"]


def test_a_call_without_an_answer_ends(session: sessions.Session, host: hosts.Host,
                                       raises: Any) -> None:
    given_up = threading.Event()
    host.methods["VM.clean_shutdown"] = lambda ref: given_up.wait(60)
    with raises(exceptions.XapiUnreachable, "did not answer in time"):
        session.call("VM.clean_shutdown", "OpaqueRef:v", read_timeout=0.2)
    given_up.set()


def test_a_closed_port_is_named(settings: sessions.XapiSettings) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # nobody else's, and nobody listens
        url = "http://127.0.0.1:%d" % closed.getsockname()[1]
        with pytest.raises(exceptions.XapiUnreachable, match="connection_url") as caught, \
                sessions.Session(dataclasses.replace(settings, url=url)):
            pass
    assert url in str(caught.value)


@pytest.mark.parametrize("answer", [
    b"HTTP/1.1 200 OK\r\n\r\n<html>hello",
    b"HTTP/1.1 200 OK\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n\r\n<?xml version='1.0'?><methodResponse><params><param><value>"
    b"<string>x</string></value></param></params></methodResponse>",
    b"HTTP/1.1 404 Not Found\r\n\r\n",
    b"SSH-2.0-OpenSSH_9\r\n",
])
def test_what_is_not_xapi_is_called_so(settings: sessions.XapiSettings, host: hosts.Host,
                                       answer: bytes) -> None:
    host.before = lambda _method: answer
    with pytest.raises(exceptions.XapiUnreachable, match=r"check \[xenserver\] connection_url"), \
            sessions.Session(settings):
        pass


@pytest.mark.parametrize("url", ["", "ftp://h", "https://", "unix://local", "http://h:port", "http://[::1",
                                 "http://h\xf6st"])
def test_an_impossible_url_is_a_configuration_error(settings: sessions.XapiSettings,
                                                    url: str) -> None:
    with pytest.raises(exceptions.ConfigError, match="connection_url"):
        sessions.Session(dataclasses.replace(settings, url=url))


def test_credentials_in_the_url_are_not_shown(settings: sessions.XapiSettings,
                                              host: hosts.Host) -> None:
    url = f"http://someone:pw-in-url@127.0.0.1:{host.port}/"
    with sessions.Session(dataclasses.replace(settings, url=url)) as session:
        assert "pw-in-url" not in repr(session) + str(session.endpoint)


@pytest.fixture
def tls(tmp_path: pathlib.Path) -> Tuple[ssl.SSLContext, pathlib.Path]:
    return certificates.make(tmp_path)


def test_a_certificate_is_verified_unless_told_otherwise(
        settings: sessions.XapiSettings, tls: Tuple[ssl.SSLContext, pathlib.Path],
        change: Callable[..., sessions.XapiSettings]) -> None:
    context, pem = tls
    with hosts.Host(tls=context) as host:
        with pytest.raises(exceptions.XapiUnreachable, match="xapi_cafile"), \
                sessions.Session(change(url=host.url)):
            pass
        assert host.refs == []
        with sessions.Session(change(url=host.url, cafile=str(pem))) as session:
            session.call("host.get_all_records")
        with sessions.Session(change(url=host.url, verify=False)) as session:
            session.call("host.get_all_records")


def test_a_certificate_must_name_the_host(tls: Tuple[ssl.SSLContext, pathlib.Path],
                                          change: Callable[..., sessions.XapiSettings]) -> None:
    context, pem = tls
    with hosts.Host("127.0.0.3", tls=context) as host, \
            pytest.raises(exceptions.XapiUnreachable, match="not trusted"), \
            sessions.Session(change(url=host.url, cafile=str(pem))):
        pass


def test_an_unreadable_ca_file_is_a_configuration_error(
        change: Callable[..., sessions.XapiSettings]) -> None:
    with pytest.raises(exceptions.ConfigError, match="/nowhere/ca"), \
            sessions.Session(change(url="https://127.0.0.1:1", cafile="/nowhere/ca.pem")):
        pass


@pytest.fixture
def change(settings: sessions.XapiSettings) -> Callable[..., sessions.XapiSettings]:
    return lambda **values: dataclasses.replace(settings, **values)

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

"""Exports: whole, cut, garbled, refused, redirected, silent."""

from __future__ import annotations

import dataclasses
import os
import pathlib
import threading
from typing import Any, List

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import export as exports
from nova_swift_handler.xapi import session as sessions

from . import certificates
from . import host as hosts

DISK = os.urandom(3 * 1024 * 1024 + 517)
VDI = "8c1b28c0-5a3f-4b6e-9f0a-000000000001"


@pytest.fixture(autouse=True)
def nothing_is_left(host: hosts.Host) -> Any:
    """Every test ends with all its tasks destroyed."""
    yield
    assert host.tasks == {}


def whole(host: hosts.Host) -> None:
    def data(exchange: hosts.Exchange) -> None:
        exchange.send(hosts.OK + DISK)
        host.finish_task(exchange)

    host.data = data


def test_the_whole_disk_arrives(session: sessions.Session, host: hosts.Host) -> None:
    whole(host)
    seen: List[int] = []
    with exports.Export(session, VDI, progress=seen.append) as export:
        got = bytearray(len(DISK))
        view = memoryview(got)
        assert export.readinto(view[:100]) == 100
        assert export.readinto(view[100:2000000]) == 1999900
        got[2000000:] = export.read(len(DISK) - 2000000)
        assert bytes(got) == DISK
        export.finish()
        assert export.failure() is None
    assert seen == [100, 2000000, len(DISK)]


def test_the_request_is_what_xapi_takes(session: sessions.Session, host: hosts.Host) -> None:
    whole(host)
    base = VDI.replace("1", "2")
    with exports.Export(session, VDI, base=base, fmt="raw") as export:
        export.read(len(DISK))
        export.finish()
    head = next(head for head in host.heads if head.startswith("GET"))
    exchange = hosts.Exchange(None, head, b"")  # type: ignore[arg-type]
    assert head.startswith("GET /export_raw_vdi?")
    assert (exchange.query["vdi"], exchange.query["base"], exchange.query["format"]) == (
        VDI, base, "raw")
    assert exchange.query["task_id"].startswith("OpaqueRef:")
    assert exchange.header("Cookie") == f"session_id={host.refs[0]}"
    assert exchange.header("Host") == f"127.0.0.1:{host.port}"
    assert len(head) + 4 <= 1024


def test_a_stream_that_ends_early_is_short_and_the_task_tells_why(
        session: sessions.Session, host: hosts.Host) -> None:
    def data(exchange: hosts.Exchange) -> None:
        exchange.send(hosts.OK + DISK[:1000])
        host.finish_task(exchange, "VDI_IO_ERROR", "Device I/O errors")

    host.data = data
    with exports.Export(session, VDI) as export:
        assert export.read(2000) == DISK[:1000]
        assert export.read(2000) == b""
        failure = export.failure()
    assert isinstance(failure, exceptions.TaskFailed)
    assert failure.code == "VDI_IO_ERROR"
    assert VDI in str(failure)


def test_an_error_text_behind_the_disk_fails_the_export_with_the_tasks_reason(
        session: sessions.Session, host: hosts.Host, raises: Any) -> None:
    def data(exchange: hosts.Exchange) -> None:
        host.finish_task(exchange, "VDI_TOO_LARGE", "x", "2190433320960")
        exchange.send(hosts.OK + DISK + hosts.ERROR_500)

    host.data = data
    with exports.Export(session, VDI) as export:
        assert export.read(len(DISK)) == DISK
        with raises(exceptions.TaskFailed, "VDI_TOO_LARGE"):
            export.finish()


def test_an_error_text_behind_the_disk_fails_the_export_even_if_the_task_succeeded(
        session: sessions.Session, host: hosts.Host, raises: Any) -> None:
    def data(exchange: hosts.Exchange) -> None:
        host.finish_task(exchange)
        exchange.send(hosts.OK + DISK + hosts.ERROR_500)

    host.data = data
    with exports.Export(session, VDI) as export:
        assert export.read(len(DISK)) == DISK
        with raises(exceptions.TransferCut, "HTTP/1.1 500 Internal Error"):
            export.finish()


def test_a_failed_task_behind_a_complete_disk_fails_the_export(
        session: sessions.Session, host: hosts.Host, raises: Any) -> None:
    def data(exchange: hosts.Exchange) -> None:
        exchange.send(hosts.OK + DISK)
        host.finish_task(exchange, "VDI_IO_ERROR", "Device I/O errors")

    host.data = data
    with exports.Export(session, VDI) as export:
        assert export.read(len(DISK)) == DISK
        with raises(exceptions.TaskFailed, "VDI_IO_ERROR"):
            export.finish()


def test_a_task_pending_behind_the_end_fails_the_export(
        curt: sessions.Session, host: hosts.Host, raises: Any) -> None:
    host.data = lambda exchange: exchange.send(hosts.OK + DISK)
    with exports.Export(curt, VDI) as export:
        assert export.read(len(DISK)) == DISK
        host.settle()
        with raises(exceptions.TaskFailed, "still pending"):
            export.finish()


def test_an_answer_in_one_piece_with_its_head_is_not_mistaken(
        session: sessions.Session, host: hosts.Host) -> None:
    def data(exchange: hosts.Exchange) -> None:
        host.finish_task(exchange)
        exchange.send(hosts.OK + DISK[:10])

    host.data = data
    with exports.Export(session, VDI) as export:
        assert export.read(4) + export.read(6) == DISK[:10]
        export.finish()


def test_a_broken_connection_is_told_with_its_place(
        session: sessions.Session, host: hosts.Host, raises: Any, hurried: None) -> None:
    def data(exchange: hosts.Exchange) -> None:
        exchange.send(hosts.OK + DISK[:1000])
        gate.append(hosts.eventually(lambda: bool(export_read)))
        exchange.reset()

    gate: List[bool] = []
    export_read: List[bytes] = []
    host.data = data
    with exports.Export(session, VDI) as export:
        export_read.append(export.read(1000))
        with raises(exceptions.TransferCut, f"exporting VDI {VDI} failed after 1000 bytes"):
            export.read(1000)


@pytest.mark.parametrize("sent", [b"", hosts.OK, hosts.OK + DISK[:1000]])
def test_silence_ends_the_export(hasty: sessions.Session, host: hosts.Host, raises: Any,
                                 sent: bytes) -> None:
    dropped = []

    def data(exchange: hosts.Exchange) -> None:
        exchange.send(sent)
        dropped.append(exchange.wait_for_close())

    host.data = data
    with raises(exceptions.TransferCut, "no byte passed.*for 0.6 s"), \
            exports.Export(hasty, VDI) as export:
        export.read(2000)
    assert hosts.eventually(lambda: dropped == [True])


def test_silence_with_progress_is_waited_through(
        hasty: sessions.Session, host: hosts.Host, hurried: None) -> None:
    looks: List[str] = []
    enough = threading.Event()
    record = host.methods["task.get_record"]

    def progressing(ref: str) -> Any:
        looks.append(ref)
        if len(looks) == 10:  # a tenth of a second lies between two
            enough.set()
        return {**record(ref), "progress": 1 - 1 / len(looks)}

    def data(exchange: hosts.Exchange) -> None:
        exchange.send(hosts.OK)
        assert enough.wait(60)
        exchange.send(DISK[:1000])
        host.finish_task(exchange)

    host.methods["task.get_record"] = progressing
    host.data = data
    with exports.Export(hasty, VDI) as export:
        assert export.read(1000) == DISK[:1000]
        export.finish()


def test_a_failed_task_ends_a_silent_export(
        session: sessions.Session, host: hosts.Host, raises: Any, hurried: None) -> None:
    def data(exchange: hosts.Exchange) -> None:
        exchange.send(hosts.OK)
        host.finish_task(exchange, "SR_BACKEND_FAILURE_46", "", "The VDI is not available")
        exchange.wait_for_close()

    host.data = data
    with exports.Export(session, VDI) as export, \
            raises(exceptions.TaskFailed, "SR_BACKEND_FAILURE_46"):
        export.read(1000)


def test_a_session_that_expired_between_is_renewed(session: sessions.Session,
                                                   host: hosts.Host) -> None:
    whole(host)
    create = host.methods["task.create"]

    def create_and_expire(*args: str) -> Any:
        host.sessions.clear()
        return create(*args)

    host.methods["task.create"] = create_and_expire
    with exports.Export(session, VDI) as export:
        assert export.read(len(DISK)) == DISK
        export.finish()
    assert len(host.refs) == 2


def test_a_session_that_is_never_accepted_is_told(
        session: sessions.Session, host: hosts.Host, raises: Any) -> None:
    host.data = lambda exchange: exchange.send(b"HTTP/1.1 401 Unauthorised\r\n\r\n<html>")
    with raises(exceptions.XapiError, "role vm-admin"), exports.Export(session, VDI):
        pass
    assert len([head for head in host.heads if head.startswith("GET")]) == 2


def test_a_refusal_is_told_with_the_tasks_reason(
        session: sessions.Session, host: hosts.Host, raises: Any) -> None:
    def data(exchange: hosts.Exchange) -> None:
        host.finish_task(exchange, "INTERNAL_ERROR", "Unknown format vdh")
        exchange.send(b"HTTP/1.0 404 Not Found\r\nConnection: close\r\n\r\n")

    host.data = data
    with raises(exceptions.TaskFailed, "Unknown format vdh"), \
            exports.Export(session, VDI, fmt="vdh"):
        pass


def test_a_refusal_without_reason_is_told_by_its_status(
        session: sessions.Session, host: hosts.Host, raises: Any, hurried: None) -> None:
    host.data = lambda exchange: exchange.send(hosts.ERROR_500)
    with raises(exceptions.XapiError, f"{host.url} answered HTTP 500"), \
            exports.Export(session, VDI):
        pass


def test_an_unknown_vdi_is_told_before_anything_starts(
        session: sessions.Session, host: hosts.Host, raises: Any) -> None:
    def unknown(name: str) -> None:
        raise hosts.Failure("UUID_INVALID", "VDI", name)

    host.methods["VDI.get_by_uuid"] = unknown
    with raises(exceptions.XapiError, VDI) as caught, exports.Export(session, VDI):
        pass
    assert caught.value.code == "UUID_INVALID"
    assert host.task_count == 0


@pytest.mark.parametrize("answer", [b"SSH-2.0-x\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: y\r\n", b"",
                                    b"HTTP/1.1 \xb2 OK\r\n\r\n"])
def test_what_does_not_speak_http_is_told(session: sessions.Session, host: hosts.Host,
                                          raises: Any, answer: bytes) -> None:
    host.data = lambda exchange: exchange.send(answer)
    with raises(exceptions.XapiUnreachable, host.url), exports.Export(session, VDI):
        pass


def test_a_head_that_xapi_would_not_take_is_not_sent(settings: sessions.XapiSettings,
                                                    host: hosts.Host, raises: Any) -> None:
    long = dataclasses.replace(settings, originator="x" * 1024)
    with sessions.Session(long) as session, raises(
            exceptions.XapiError, "XAPI takes 1024"), exports.Export(session, VDI):
        pass
    assert not [head for head in host.heads if head.startswith("GET")]


def test_a_head_without_end_is_not_read_for_ever(session: sessions.Session, host: hosts.Host,
                                                 raises: Any) -> None:
    dropped = []

    def data(exchange: hosts.Exchange) -> None:
        exchange.send(b"HTTP/1.1 200 OK\r\n")
        try:
            for _piece in range(64):
                exchange.send(b"X: y\r\n" * (2 ** 20 // 6))
        except OSError:
            dropped.append(True)

    host.data = data
    with raises(exceptions.XapiUnreachable, "before its HTTP head was complete"), \
            exports.Export(session, VDI):
        pass
    assert hosts.eventually(lambda: dropped == [True])


def test_a_coded_answer_is_refused(session: sessions.Session, host: hosts.Host,
                                   raises: Any) -> None:
    host.data = lambda exchange: exchange.send(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    with raises(exceptions.XapiError, "chunked-coded.*proxy"), exports.Export(session, VDI):
        pass


def test_an_error_of_the_caller_drops_the_connection(session: sessions.Session,
                                                     host: hosts.Host) -> None:
    dropped = []

    def data(exchange: hosts.Exchange) -> None:
        exchange.send(hosts.OK + DISK[:1000])
        dropped.append(exchange.wait_for_close())

    host.data = data
    with pytest.raises(ZeroDivisionError), exports.Export(session, VDI) as export:
        export.read(10)
        raise ZeroDivisionError
    host.settle()
    assert dropped == [True]


def redirect(host: hosts.Host, location: str) -> None:
    host.data = lambda exchange: exchange.send(
        b"HTTP/1.1 302 Found\r\nLocation: %s%s\r\n\r\n" % (
            location.encode(), exchange.target.encode()))


def test_a_redirect_to_a_host_of_the_pool_is_followed(
        settings: sessions.XapiSettings, host: hosts.Host, tmp_path: pathlib.Path) -> None:
    context, pem = certificates.make(tmp_path)
    with hosts.Host(tls=context) as other:
        other.sessions, other.tasks = host.sessions, host.tasks
        whole(other)
        redirect(host, other.url)
        with sessions.Session(dataclasses.replace(settings, cafile=str(pem))) as session, \
                exports.Export(session, VDI) as export:
            assert export.read(len(DISK)) == DISK
            export.finish()
        other.settle()


@pytest.mark.parametrize(("location", "why"), [
    ("https://127.0.0.9:1", "no host of its pool"),
    ("/elsewhere", "redirects to no https URL"),
    ("", "redirects to no https URL"),
])
def test_a_redirect_elsewhere_is_not_followed(
        session: sessions.Session, host: hosts.Host, raises: Any, location: str,
        why: str) -> None:
    redirect(host, location)
    with raises(exceptions.XapiError, why), exports.Export(session, VDI):
        pass


def test_a_stranger_is_not_even_connected_to(session: sessions.Session, host: hosts.Host,
                                             raises: Any) -> None:
    with hosts.Host("127.0.0.9") as stranger:
        redirect(host, f"https://127.0.0.9:{stranger.port}")
        with raises(exceptions.XapiError, "not shown there"), exports.Export(session, VDI):
            pass
        assert stranger.connections == 0


def test_a_redirect_never_leaves_tls(settings: sessions.XapiSettings, host: hosts.Host,
                                     tmp_path: pathlib.Path, raises: Any) -> None:
    context, pem = certificates.make(tmp_path)
    with hosts.Host(tls=context) as secure:
        redirect(secure, host.url)
        there = dataclasses.replace(settings, url=secure.url, cafile=str(pem))
        with sessions.Session(there) as session, \
                raises(exceptions.XapiError, "redirects to no https URL"), \
                exports.Export(session, VDI):
            pass


def test_redirects_in_a_circle_end(settings: sessions.XapiSettings, tmp_path: pathlib.Path,
                                   raises: Any, hurried: None) -> None:
    context, pem = certificates.make(tmp_path)
    with hosts.Host(tls=context) as secure:
        redirect(secure, secure.url)
        there = dataclasses.replace(settings, url=secure.url, cafile=str(pem))
        with sessions.Session(there) as session, \
                raises(exceptions.XapiError, "answered HTTP 302"), \
                exports.Export(session, VDI):
            pass


def test_the_whole_disk_arrives_over_tls(settings: sessions.XapiSettings, tmp_path: pathlib.Path
                                         ) -> None:
    context, pem = certificates.make(tmp_path)
    with hosts.Host(tls=context) as secure:
        whole(secure)
        there = dataclasses.replace(settings, url=secure.url, cafile=str(pem))
        with sessions.Session(there) as session, exports.Export(session, VDI) as export:
            assert export.read(len(DISK)) == DISK
            export.finish()
        secure.settle()

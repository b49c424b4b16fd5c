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

"""Imports: whole, refused, broken off by either side, silent."""

from __future__ import annotations

import dataclasses
import functools
import os
import pathlib
import threading
from typing import Any, Iterator, List

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import import_
from nova_swift_handler.xapi import session as sessions

from . import certificates
from . import host as hosts
from .records import sr_record

DISK = os.urandom(5 * 1024 * 1024 + 512)
VDI = "8c1b28c0-5a3f-4b6e-9f0a-000000000001"
BIG = 64 * 1024 * 1024  # More than the sockets between can hold.


@pytest.fixture(autouse=True)
def nothing_is_left(host: hosts.Host) -> Any:
    """Every test ends with all its tasks destroyed."""
    yield
    assert host.tasks == {}


def pieces(data: bytes, size: int = 1000000) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at:at + size]


def zeros(size: int = BIG) -> Iterator[bytes]:
    piece = bytes(1024 * 1024)
    for _ in range(size // len(piece)):
        yield piece


def take(host: hosts.Host, got: List[bytes]) -> None:
    def data(exchange: hosts.Exchange) -> None:
        exchange.send(hosts.OK)
        got.append(exchange.read(int(exchange.header("Content-Length"))))
        host.finish_task(exchange)

    host.data = data


def test_all_bytes_arrive(session: sessions.Session, host: hosts.Host) -> None:
    got: List[bytes] = []
    seen: List[int] = []
    take(host, got)
    import_.import_disk(session, VDI, len(DISK), pieces(DISK), progress=seen.append)
    assert got == [DISK]
    assert seen == [1000000, 2000000, 3000000, 4000000, 5000000, len(DISK)]


def test_chunks_may_be_any_kind_of_bytes_and_one_reused_buffer(
        session: sessions.Session, host: hosts.Host) -> None:
    def chunks() -> Iterator[memoryview]:
        buffer = bytearray(700)
        for at in range(0, len(DISK), 700):
            piece = DISK[at:at + 700]
            buffer[:len(piece)] = piece
            yield memoryview(buffer)[:len(piece)]

    got: List[bytes] = []
    take(host, got)
    import_.import_disk(session, VDI, len(DISK), chunks())
    assert got == [DISK]


def test_the_request_is_what_xapi_takes(session: sessions.Session, host: hosts.Host) -> None:
    take(host, [])
    import_.import_disk(session, VDI, len(DISK), [DISK], fmt="raw")
    head = next(head for head in host.heads if head.startswith("PUT"))
    exchange = hosts.Exchange(None, head, b"")  # type: ignore[arg-type]
    assert head.startswith("PUT /import_raw_vdi?")
    assert (exchange.query["vdi"], exchange.query["format"]) == (VDI, "raw")
    assert exchange.header("Content-Length") == str(len(DISK))
    assert exchange.header("Transfer-Encoding") == ""
    assert exchange.header("Expect") == ""
    assert exchange.header("Cookie") == f"session_id={host.refs[0]}"
    assert len(head) + 4 <= 1024


def test_all_bytes_arrive_over_tls(settings: sessions.XapiSettings,
                                   tmp_path: pathlib.Path) -> None:
    context, pem = certificates.make(tmp_path)
    with hosts.Host(tls=context) as secure:
        got: List[bytes] = []
        take(secure, got)
        there = dataclasses.replace(settings, url=secure.url, cafile=str(pem))
        with sessions.Session(there) as session:
            import_.import_disk(session, VDI, len(DISK), pieces(DISK))
        secure.settle()
    assert got == [DISK]


def test_no_chunk_is_asked_for_before_xapi_has_accepted(
        session: sessions.Session, host: hosts.Host, raises: Any, hurried: None) -> None:
    def chunks() -> Iterator[bytes]:
        asked.append(True)
        yield DISK

    asked: List[bool] = []
    host.data = lambda exchange: exchange.send(b"HTTP/1.0 400 Bad Request\r\n\r\n")
    with raises(exceptions.XapiError, "answered HTTP 400"):
        import_.import_disk(session, VDI, len(DISK), chunks())
    assert asked == []


def test_a_task_that_fails_after_all_bytes_fails_the_import(
        session: sessions.Session, host: hosts.Host, raises: Any) -> None:
    def data(exchange: hosts.Exchange) -> None:
        exchange.send(hosts.OK)
        exchange.read(len(DISK))
        host.finish_task(exchange, "SR_BACKEND_FAILURE_46", "", "The VDI is not available")
        exchange.send(b"HTTP/1.1 400 Bad Request\r\n\r\n" + hosts.ERROR_500)

    host.data = data
    with raises(exceptions.TaskFailed, "SR_BACKEND_FAILURE_46"):
        import_.import_disk(session, VDI, len(DISK), pieces(DISK))


def test_an_error_text_fails_the_import_even_if_the_task_succeeded(
        session: sessions.Session, host: hosts.Host, raises: Any) -> None:
    def data(exchange: hosts.Exchange) -> None:
        exchange.send(hosts.OK)
        exchange.read(len(DISK))
        host.finish_task(exchange)
        exchange.send(hosts.ERROR_500)

    host.data = data
    with raises(exceptions.TransferCut, "500 Internal Error"):
        import_.import_disk(session, VDI, len(DISK), pieces(DISK))


def test_a_task_that_stays_pending_fails_the_import(
        curt: sessions.Session, host: hosts.Host, raises: Any) -> None:
    def data(exchange: hosts.Exchange) -> None:
        exchange.send(hosts.OK)
        exchange.read(len(DISK))

    def chunks() -> Iterator[bytes]:
        yield from pieces(DISK)
        host.settle()

    host.data = data
    with raises(exceptions.TaskFailed, "still pending"):
        import_.import_disk(curt, VDI, len(DISK), chunks())


@pytest.mark.parametrize("ending", ["close", "reset", "speak", "speak at once"])
def test_a_server_that_gives_up_in_between_is_noticed_at_once(
        session: sessions.Session, host: hosts.Host, raises: Any, ending: str) -> None:
    def data(exchange: hosts.Exchange) -> None:
        if ending == "speak at once":
            host.finish_task(exchange, "VDI_IO_ERROR", "Device I/O errors")
            exchange.send(hosts.OK + hosts.ERROR_500)
            exchange.wait_for_close()
            return
        exchange.send(hosts.OK)
        exchange.read(3 * 1024 * 1024)
        host.finish_task(exchange, "VDI_IO_ERROR", "Device I/O errors")
        if ending == "speak":
            exchange.send(hosts.ERROR_500)
            exchange.wait_for_close()
        elif ending == "reset":
            exchange.reset()

    host.data = data
    host.methods.update({"VDI.get_SR": lambda ref: "OpaqueRef:s",
                         "SR.get_type": lambda ref: "lvm"})
    given: List[int] = []
    with raises(exceptions.TaskFailed, "VDI_IO_ERROR"):
        import_.import_disk(session, VDI, BIG, zeros(), progress=given.append)
    assert BIG not in given, "all data was sent to a server that had given up"


def test_a_server_that_gives_up_in_between_over_tls_is_noticed(
        settings: sessions.XapiSettings, tmp_path: pathlib.Path, raises: Any) -> None:
    context, pem = certificates.make(tmp_path)
    with hosts.Host(tls=context) as secure:
        def data(exchange: hosts.Exchange) -> None:
            exchange.send(hosts.OK)
            exchange.read(3 * 1024 * 1024)
            secure.finish_task(exchange, "VDI_READONLY", "x")
            exchange.send(hosts.ERROR_500)
            exchange.wait_for_close()

        secure.data = data
        there = dataclasses.replace(settings, url=secure.url, cafile=str(pem))
        with sessions.Session(there) as session, raises(exceptions.TaskFailed, "VDI_READONLY"):
            import_.import_disk(session, VDI, BIG, zeros())


def test_a_break_without_reason_is_told_with_its_place(
        session: sessions.Session, host: hosts.Host, raises: Any, hurried: None) -> None:
    def data(exchange: hosts.Exchange) -> None:
        exchange.send(hosts.OK)
        exchange.read(3 * 1024 * 1024)
        exchange.reset()

    host.data = data
    with raises(exceptions.TransferCut, rf"importing into VDI {VDI} failed at byte \d+ of {BIG}"):
        import_.import_disk(session, VDI, BIG, zeros())


def test_a_task_that_succeeds_before_all_bytes_are_sent_fails_the_import(
        session: sessions.Session, host: hosts.Host, raises: Any) -> None:
    def data(exchange: hosts.Exchange) -> None:
        exchange.send(hosts.OK)
        exchange.read(1024 * 1024)
        host.finish_task(exchange)

    host.data = data
    with raises(exceptions.TransferCut, "XAPI closed|reset|pipe"):
        import_.import_disk(session, VDI, BIG, zeros())


def test_a_server_that_stops_reading_ends_the_import(
        hasty: sessions.Session, host: hosts.Host, raises: Any) -> None:
    given_up = threading.Event()
    dropped = []

    def data(exchange: hosts.Exchange) -> None:
        exchange.send(hosts.OK)
        given_up.wait(60)
        dropped.append(exchange.wait_for_close())

    host.data = data
    with raises(exceptions.TransferCut, "no byte passed.*for 0.6 s"):
        import_.import_disk(hasty, VDI, BIG, zeros())
    given_up.set()
    assert hosts.eventually(lambda: dropped == [True])


def test_the_time_that_the_source_takes_is_not_the_hosts(
        session: sessions.Session, host: hosts.Host, hurried: None,
        monkeypatch: pytest.MonkeyPatch) -> None:
    """Swift may stall for minutes; when it goes on, a host that is slow once is no dead one."""
    now = [0.0]
    monkeypatch.setattr(import_.patiences, "Patience", functools.partial(
        import_.patiences.Patience, clock=lambda: now[0]))
    got = []

    def data(exchange: hosts.Exchange) -> None:
        exchange.send(hosts.OK)
        looked = sum(method == "task.get_record" for method, _args in host.calls)
        hosts.eventually(lambda: sum(
            method == "task.get_record" for method, _args in host.calls) > looked)
        got.append(sum(len(exchange.read(2 ** 20)) for _piece in range(BIG // 2 ** 20)))
        host.finish_task(exchange)

    def slow() -> Iterator[bytes]:
        for piece in zeros():
            now[0] += 10 * session.settings.idle_timeout
            yield piece

    host.data = data
    import_.import_disk(session, VDI, BIG, slow())
    assert got == [BIG]


def test_a_failed_task_ends_an_import_that_nobody_reads(
        session: sessions.Session, host: hosts.Host, raises: Any, hurried: None) -> None:
    def data(exchange: hosts.Exchange) -> None:
        exchange.send(hosts.OK)
        host.finish_task(exchange, "VDI_READONLY", "x")
        hosts.eventually(lambda: not host.tasks)

    host.data = data
    with raises(exceptions.TaskFailed, "VDI_READONLY"):
        import_.import_disk(session, VDI, BIG, zeros())


def test_a_server_that_never_answers_ends_the_import(
        hasty: sessions.Session, host: hosts.Host, raises: Any) -> None:
    def data(exchange: hosts.Exchange) -> None:
        exchange.wait_for_close()

    host.data = data
    with raises(exceptions.TransferCut, "no byte passed"):
        import_.import_disk(hasty, VDI, len(DISK), pieces(DISK))


@pytest.mark.parametrize(("given", "message"), [
    ([DISK[:1000]], f"the source gave 1000 of {len(DISK)} bytes"),
    ([], f"the source gave 0 of {len(DISK)} bytes"),
    ([DISK, b"more"], f"the source gives more than the {len(DISK)} bytes announced"),
])
def test_a_source_of_another_length_fails_and_drops_the_connection(
        session: sessions.Session, host: hosts.Host, raises: Any, given: List[bytes],
        message: str) -> None:
    got = []

    def data(exchange: hosts.Exchange) -> None:
        exchange.send(hosts.OK)
        got.append(exchange.read(len(DISK) + 1))

    host.data = data
    with raises(exceptions.TransferCut, message):
        import_.import_disk(session, VDI, len(DISK), given)
    host.settle()
    assert len(got[0]) <= len(DISK)


def test_an_error_of_the_source_drops_the_connection(session: sessions.Session,
                                                     host: hosts.Host) -> None:
    def chunks() -> Iterator[bytes]:
        yield DISK[:1000]
        raise ZeroDivisionError

    got = []

    def data(exchange: hosts.Exchange) -> None:
        exchange.send(hosts.OK)
        got.append(exchange.read(len(DISK)))

    host.data = data
    with pytest.raises(ZeroDivisionError):
        import_.import_disk(session, VDI, len(DISK), chunks())
    host.settle()
    assert got == [DISK[:1000]]


def test_a_source_is_closed_when_the_import_fails(session: sessions.Session, host: hosts.Host,
                                                  raises: Any, hurried: None) -> None:
    def chunks() -> Iterator[bytes]:
        try:
            yield from zeros()
        finally:
            closed.append(True)

    def data(exchange: hosts.Exchange) -> None:
        exchange.send(hosts.OK)
        exchange.reset()

    closed: List[bool] = []
    host.data = data
    source = chunks()
    with raises(exceptions.TransferCut):
        import_.import_disk(session, VDI, BIG, source)
    assert closed == [True]


@pytest.mark.parametrize(("kind", "free", "error"), [
    ("ext", 4096, exceptions.SrFull),
    ("ext", 10 ** 9, exceptions.TaskFailed),
    ("lvm", 4096, exceptions.TaskFailed),
])
def test_a_write_error_on_a_full_file_sr_is_sr_full(
        session: sessions.Session, host: hosts.Host, raises: Any, kind: str, free: int,
        error: Any) -> None:
    def data(exchange: hosts.Exchange) -> None:
        exchange.send(hosts.OK)
        exchange.read(len(DISK))
        host.finish_task(exchange, "VDI_IO_ERROR", "Device I/O errors")

    host.data = data
    host.methods.update({
        "VDI.get_SR": lambda ref: "OpaqueRef:s", "SR.update": lambda ref: "",
        "SR.get_record": lambda ref: sr_record(
            type=kind, physical_size=10 ** 10, physical_utilisation=10 ** 10 - free)})
    with raises(error, "VDI_IO_ERROR"):
        import_.import_disk(session, VDI, len(DISK), pieces(DISK))

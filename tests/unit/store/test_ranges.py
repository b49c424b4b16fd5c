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

"""Answers to a request for several ranges, as Swift gives them and as it does not."""

from __future__ import annotations

import io
from typing import Any, Callable, Dict, List, Tuple

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.store import ranges
from nova_swift_handler.store.ranges import Range

DATA = bytes(range(256)) * 8192
TYPE = "multipart/byteranges;boundary=b0"


class Answers:
    """A connection on which each request is answered by the next of these."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: Tuple[str, bytes]) -> None:
        self._answers = list(answers)
        self.asked: List[str] = []
        self.left: List[bytes] = []
        monkeypatch.setattr(ranges.swift, "get_object", self._get)

    def _get(self, *, container: str, name: str, headers: Dict[str, str],
             **_more: Any) -> Tuple[Dict[str, str], io.BytesIO]:
        self.asked.append(headers["Range"])
        kind, body = self._answers.pop(0)
        return {"content-type": kind}, io.BytesIO(body)

    def repeat(self, what: str, request: Callable[[], bool]) -> bool:
        while True:
            try:
                return request()
            except exceptions.StoreUnreachable:
                if not self._answers:
                    raise


def part(offset: int, size: int, first: bytes = b"--b0\r\n") -> bytes:
    return first + b"Content-Type: a/b\r\nContent-Range: bytes %d-%d/%d\r\n\r\n%s\r\n" % (
        offset, offset + size - 1, len(DATA), DATA[offset:offset + size])


def read(answers: Answers, *wanted: Tuple[int, int]) -> List[bytes]:
    found = [Range(offset, memoryview(bytearray(size))) for offset, size in wanted]
    assert ranges.read(answers, "c", "o", found)  # type: ignore[arg-type]
    return [bytes(each.target) for each in found]


def expected(*wanted: Tuple[int, int]) -> List[bytes]:
    return [DATA[offset:offset + size] for offset, size in wanted]


def test_each_range_comes_to_its_target(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = [(0, 1), (5000, 1500000), (2000000, 70000)]
    answers = Answers(monkeypatch, (TYPE, b"".join(
        part(offset, size) for offset, size in wanted) + b"--b0--\r\n"))
    assert read(answers, *wanted) == expected(*wanted)
    assert answers.asked == ["bytes=0-0,5000-1504999,2000000-2069999"]


def test_a_quoted_boundary_and_lines_before_it(monkeypatch: pytest.MonkeyPatch) -> None:
    body = part(0, 9, b"\r\n\r\n--b 0\r\n") + part(90, 9, b"--b 0\r\n") + b"--b 0--\r\n"
    answers = Answers(monkeypatch, ('multipart/byteranges; boundary="b 0"', body))
    assert read(answers, (0, 9), (90, 9)) == expected((0, 9), (90, 9))


@pytest.mark.parametrize("cut", [0, 3, 40, 90, 100, 160, 300, 400])
def test_what_came_before_a_cut_is_not_asked_for_again(monkeypatch: pytest.MonkeyPatch,
                                                       cut: int) -> None:
    wanted = [(0, 80), (200, 80), (400, 80)]
    whole = b"".join(part(offset, size) for offset, size in wanted) + b"--b0--\r\n"
    came = sum(len(b"".join(part(*each) for each in wanted[:number + 1])) - 2 <= cut
               for number in range(3))
    first = min(came, 1)  # two at least, lest the answer has another form
    rest = b"".join(part(*each) for each in wanted[first:]) + b"--b0--\r\n"
    answers = Answers(monkeypatch, (TYPE, whole[:cut]), (TYPE, rest))
    assert read(answers, *wanted) == expected(*wanted)
    assert answers.asked[1] == "bytes=" + ",".join(
        "%d-%d" % (offset, offset + size - 1) for offset, size in wanted[first:])


@pytest.mark.parametrize("answer", [
    ("application/octet-stream", DATA), ("application/octet-stream", DATA[:9]), ("", b"")])
def test_whoever_does_not_answer_several_is_told_apart(monkeypatch: pytest.MonkeyPatch,
                                                       answer: Tuple[str, bytes]) -> None:
    answers = Answers(monkeypatch, answer)
    found = [Range(offset, memoryview(bytearray(9))) for offset in (0, 90)]
    assert not ranges.read(answers, "c", "o", found)  # type: ignore[arg-type]


@pytest.mark.parametrize(("body", "phrase"), [
    (part(0, 9) + part(91, 9), "bytes 90-98 were asked for, and bytes 91-99/2097152 came"),
    (part(0, 99), "bytes 0-8 were asked for, and bytes 0-98"),
    (b"--b0\r\nContent-Type: a/b\r\n\r\n" + DATA[:9], "unnamed ones came"),
    (part(0, 9, b"--b1\r\n"), "not with the boundary"),
    (part(0, 9) + b"x" * 20000, "headers do not end")])
def test_other_bytes_are_refused(monkeypatch: pytest.MonkeyPatch, body: bytes,
                                 phrase: str) -> None:
    with pytest.raises(exceptions.StoreError, match=phrase):
        read(Answers(monkeypatch, (TYPE, body)), (0, 9), (90, 9))

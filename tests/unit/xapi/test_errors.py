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

"""XAPI's codes become errors that say what to do."""

from __future__ import annotations

import pickle
import socket
from typing import List, Type

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import errors


@pytest.mark.parametrize("description", [
    ["SR_BACKEND_FAILURE_44", "", "There is insufficient space", ""],
    ["SR_BACKEND_FAILURE_81", "", "Failed to clone VDI [opterr=VDI clone failed error 28]", ""],
    ["SR_BACKEND_FAILURE_78", "", "VDI Creation failed [opterr=No space left on device]", ""],
    ["SR_FULL", "100", "10"],
])
def test_no_room_is_sr_full(description: List[str]) -> None:
    failure = errors.from_failure(description, "creating a VDI on SR x", exceptions.TaskFailed)
    assert isinstance(failure, exceptions.SrFull)
    assert "creating a VDI on SR x" in str(failure)
    assert "space on the SR" in str(failure)
    assert (failure.code, *failure.params) == tuple(description)


@pytest.mark.parametrize("description", [
    ["SR_BACKEND_FAILURE_81", "", "Failed to clone VDI [opterr=VDI clone failed error 5]", ""],
    ["SR_BACKEND_FAILURE_109", "", "The snapshot chain is too long", ""],
    ["VDI_IO_ERROR", "Device I/O errors"],
    ["INTERNAL_ERROR", "no space left for doubt"],
])
@pytest.mark.parametrize("kind", [exceptions.XapiError, exceptions.TaskFailed])
def test_other_failures_are_not(description: List[str],
                                kind: Type[exceptions.XapiError]) -> None:
    assert type(errors.from_failure(description, "doing it", kind)) is kind


def test_a_failure_without_code_still_says_what_failed() -> None:
    assert "doing it failed" in str(errors.from_failure([], "doing it"))


def test_errors_survive_the_way_between_processes() -> None:
    failure = errors.from_failure(["SR_FULL", "1"], "doing it")
    copy = pickle.loads(pickle.dumps(failure))
    assert (type(copy), str(copy), copy.code, copy.params) == (
        exceptions.SrFull, str(failure), "SR_FULL", ("1",))


def test_a_timeout_of_the_network_is_called_one() -> None:
    failure = errors.from_network(socket.timeout("timed out"), "doing it", "http://h")
    assert "did not answer in time at http://h" in str(failure)

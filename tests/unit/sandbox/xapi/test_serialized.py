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

"""Pickles that Python 2 would write, and none that do more than carry data."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from nova_swift_handler.sandbox.xapi.plugins import serialized


@pytest.mark.parametrize("value", [
    "2.1", "\u00e9", "", 1, True, None, [1, "a"], {"k": ("t",)}, "with 'quotes' and \\ and \n"])
def test_what_is_written_reads_as_it_was(value: Any) -> None:
    text = serialized.dumps(value)
    assert pickle.loads(text.encode("latin-1")) == value
    assert serialized.loads(text) == value


def test_ascii_is_written_as_python_2s_own_strings() -> None:
    assert serialized.dumps("2.1") == "S'2.1'\np0\n."


def test_what_python_3_writes_in_protocol_0_is_read() -> None:
    value = {"args": (b"bytes", "text"), "kwargs": {}}
    assert serialized.loads(pickle.dumps(value, 0).decode("latin-1")) == value


@pytest.mark.parametrize("evil", [
    "cos\nsystem\n(S'true'\ntR.", "cbuiltins\neval\n(S'1'\ntR.", "c_codecs\nlookup\n."])
def test_nothing_is_called(evil: str) -> None:
    with pytest.raises(pickle.UnpicklingError):
        serialized.loads(evil)

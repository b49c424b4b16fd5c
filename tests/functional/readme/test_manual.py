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

"""The commands of the manual give what its pages show, in the order of the pages.

With ``SWIFT_VHD_RECORD_MANUAL=1`` the outputs in the pages are written anew instead; look at what
changed before keeping it.
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import Any, Dict, List

import pytest

from tests.programs import needs

from .conftest import PAGES
from .console import record, steps

_RECORD = os.environ.get("SWIFT_VHD_RECORD_MANUAL")
# Each goes on with what those before it have left.
_TOLD_IN_ORDER = ["daily", "housekeeping", "monitoring", "moving", "recovery", "kvm"]
# What getting disks back may need: nothing of ours.
_PLAIN = {"swift", "curl", "qemu-img", "cmp", "grep", "for", "done", "eval", "export"}


@needs("qemu-img")
@pytest.mark.parametrize("name", _TOLD_IN_ORDER)
def test_the_commands_of_a_page_give_what_it_shows(shell: Any, name: str) -> None:
    page = PAGES / (name + ".rst")
    outputs: Dict[int, str] = {}
    wrong: List[str] = []
    for step in steps(page):
        got = shell.type(step.command)
        if _RECORD and step.output:
            outputs[step.first] = shell.renewed(step, got)
        elif step.output:
            try:
                shell.compare(step, got)
            except AssertionError as error:
                wrong.append(str(error))
    if outputs:
        record(page, outputs)
    assert not wrong, "\n\n".join(wrong)


@needs("qemu-img")
def test_what_plain_tools_got_back_is_the_disk(cloud: Any, shell: Any) -> None:
    """Nothing was written after the last snapshot of web-1."""
    host = cloud.control("ext")
    rows = cloud.adapter("admin", "compute").get("/servers/detail?all_tenants=1").json()["servers"]
    (name,) = [row["OS-EXT-SRV-ATTR:instance_name"] for row in rows if row["name"] == "web-1"]
    wanted = host.guest_sha256(host.vm_disks(name)[0]["vdi_uuid"])
    got = hashlib.sha256((shell.directory / "web-1.raw").read_bytes()).hexdigest()
    assert got == wanted


def test_every_page_with_commands_is_tried() -> None:
    told = {page.stem for page in PAGES.glob("*.rst") if steps(page)}
    assert told == set(_TOLD_IN_ORDER)


def test_getting_disks_back_needs_nothing_of_ours() -> None:
    commands = " ; ".join(step.command for step in steps(PAGES / "recovery.rst"))
    used = {part.split()[0] for part in re.split(r"[|;]|&&|\$\(|\bdo\b", commands) if part.strip()}
    assert used <= _PLAIN

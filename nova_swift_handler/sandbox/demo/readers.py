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

"""Readers of VHDs that nobody here wrote."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Dict

import pyvhdi

from nova_swift_handler.sandbox.demo.disks import Content

_PIECE = 4 * 1024 * 1024


def differences(path: Path, content: Content) -> Dict[str, str]:
    """Return, by reader, what is wrong with the VHD at *path*; nothing if it holds *content*.

    libvhdi is always asked, qemu-img where it is installed.
    """
    found = {"libvhdi": _libvhdi(path, content)}
    if shutil.which("qemu-img"):
        found["qemu-img"] = _qemu(path, content)
    return found


def _libvhdi(path: Path, content: Content) -> str:
    file = pyvhdi.file()
    file.open(str(path))
    try:
        if file.get_media_size() < content.size:
            return "the disk has %d bytes" % file.get_media_size()
        for offset in range(0, file.get_media_size(), _PIECE):
            data = file.read_buffer_at_offset(
                min(_PIECE, file.get_media_size() - offset), offset)
            if data != content.read(offset, len(data)).ljust(len(data), b"\0"):
                return "the bytes from %d on differ" % offset
    finally:
        file.close()
    return ""


def _qemu(path: Path, content: Content) -> str:
    with tempfile.TemporaryDirectory(prefix="swift_vhd-demo-") as scratch:
        raw = Path(scratch, "disk.raw")
        subprocess.run(["qemu-img", "convert", "-f", "vpc", "-O", "raw", str(path), str(raw)],
                       check=True)
        with raw.open("rb") as file:
            offset = 0
            for data in iter(lambda: file.read(_PIECE), b""):
                if data != content.read(offset, len(data)).ljust(len(data), b"\0"):
                    return "the bytes from %d on differ" % offset
                offset += len(data)
        return "" if offset >= content.size else "the disk has %d bytes" % offset

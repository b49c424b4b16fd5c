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

"""What the figures were measured on."""

from __future__ import annotations

import datetime
import os
import platform
from pathlib import Path
from typing import Any, Dict, Optional


def describe(directory: Path) -> Dict[str, Any]:
    """Return the machine's description.

    :param directory: where the bench keeps disks and Swift its objects.
    """
    return {
        "processor": _field("/proc/cpuinfo", "model name") or platform.processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(_kib("/proc/meminfo", "MemTotal") / 2 ** 20, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "file_system": _file_system(directory),
        "load_at_start": os.getloadavg()[0],
        "time": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
    }


def line(machine: Dict[str, Any]) -> str:
    """Return a description in one line."""
    return ("%(processor)s, %(cores)d cores, %(memory_gib)s GiB, Linux %(kernel)s, Python "
            "%(python)s, %(file_system)s; load %(load_at_start).2f at %(time)s" % machine)


def _field(path: str, name: str) -> Optional[str]:
    for text in Path(path).read_text().splitlines():
        key, _, value = text.partition(":")
        if key.strip() == name:
            return value.strip()
    return None


def _kib(path: str, name: str) -> int:
    return int((_field(path, name) or "0").split()[0])


def _file_system(directory: Path) -> str:
    """Return the type of the file system that holds *directory*: that of the nearest mount."""
    best, kind = "", "unknown"
    for text in Path("/proc/mounts").read_text().splitlines():
        _device, mount, found = text.split()[:3]
        inside = str(directory.resolve()) + "/"
        if inside.startswith(mount.rstrip("/") + "/") and len(mount) >= len(best):
            best, kind = mount, found
    return kind

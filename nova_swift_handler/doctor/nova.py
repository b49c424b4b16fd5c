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

"""Whether the Nova of this machine uses the handler."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from importlib import metadata
from typing import Any, Dict, Iterator, List

from nova_swift_handler import exceptions
from nova_swift_handler.doctor import options
from nova_swift_handler.doctor.check import NOT_CHECKED, OK, WARNING, WRONG, Finding
from nova_swift_handler.doctor.site import Site

_HOOK = ("os_vif", "nova_swift_handler")
_HANDLER = ("nova.virt.xenapi.image_handlers", "swift_vhd")
_SUPPORTED, _FIRST, _LAST = 21, 18, 21
_TIMEOUT = 120.0
_NONE = "this Python has no Nova"
_ELSEWHERE = "run swift-vhd doctor with nova-compute's Python, on a compute node"


def version(_site: Site) -> Iterator[Finding]:
    """Look which Nova is there."""
    what = "Nova's version"
    try:
        found = metadata.version("nova")
    except metadata.PackageNotFoundError:
        yield Finding(NOT_CHECKED, what, _NONE, _ELSEWHERE)
        return
    major = int(found.split(".")[0])
    if not _FIRST <= major <= _LAST:
        yield Finding(WRONG, what, "Nova %s has no [xenserver] image_handler" % found,
                      "Nova %d (Ussuri) is the last with the XenAPI driver" % _LAST)
    elif major != _SUPPORTED:
        yield Finding(WARNING, what, "Nova %s is not supported" % found,
                      "upgrade to Nova %d (Ussuri)" % _SUPPORTED)
    else:
        yield Finding(OK, what, "Nova %s" % found)


def entry_points(_site: Site) -> Iterator[Finding]:
    """Look whether Nova would come to know the handler."""
    for group, name in (_HOOK, _HANDLER):
        what = "entry point %s of %s" % (name, group)
        if _entry(group, name):
            yield Finding(OK, what, "it is there")
        else:
            yield Finding(WRONG, what, "this Python's packages have none",
                          "pip install nova-swift-handler, with nova-compute's pip (not by a "
                          "copy of the files)")


def in_use(site: Site) -> Iterator[Finding]:
    """Start as nova-compute does, and see which handler its driver would get."""
    what = "[xenserver] image_handler as nova-compute has it"
    if importlib.util.find_spec("nova") is None:
        yield Finding(NOT_CHECKED, what, _NONE, _ELSEWHERE)
        return
    told = _started(site)
    if not str(told["compute_driver"] or "").startswith("xenapi."):
        yield Finding(
            NOT_CHECKED, what, "compute_driver is %r: these files are of no nova-compute with the "
            "XenAPI driver" % told["compute_driver"],
            "--config-file /etc/nova/nova-compute.conf, on a compute node")
    elif told["image_handler"] != _HANDLER[1]:
        yield Finding(WRONG, what, "it is %s: this nova-compute does not use swift_vhd"
                      % told["image_handler"],
                      "[xenserver] image_handler = swift_vhd, and restart nova-compute")
    elif told["problem"]:
        yield Finding(WRONG, what, "nova-compute will not start with it: %s" % told["problem"],
                      "see whether the entry points are there, and nova-compute's log")
    else:
        yield Finding(OK, what, "swift_vhd, and it loads (%s)" % told["class"])


def signatures(site: Site) -> Iterator[Finding]:
    """Look at what is verified at a boot."""
    what = "signatures of images"
    if importlib.util.find_spec("nova") is None:
        yield Finding(NOT_CHECKED, what, _NONE, _ELSEWHERE)
        return
    told = _started(site)
    if not told["verify_signatures"]:
        yield Finding(OK, what, "they are not demanded ([glance] verify_glance_signatures)")
    elif told["cache_images"] != "none":
        yield Finding(WARNING, what, "an image is verified when it is fetched, and not when Nova "
                      "boots it from its own cache on the SR (cache_images = %s)"
                      % told["cache_images"], "[xenserver] cache_images = none")
    else:
        yield Finding(OK, what, "each boot verifies them")


def _entry(group: str, name: str) -> bool:
    found: Any = metadata.entry_points()
    # A dictionary before Python 3.10, and something to select from after.
    chosen = found.select(group=group) if hasattr(found, "select") else found.get(group, ())
    return name in [each.name for each in chosen]


def _started(site: Site) -> Dict[str, Any]:
    return dict(site.once("nova", lambda: _start(options.files(site.conf))))


def _start(files: List[str]) -> Dict[str, Any]:
    """Return what the program beside this one says of a Nova that reads *files*."""
    done = subprocess.run(
        [sys.executable, "-m", "nova_swift_handler.doctor.nova_start", *files],
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_TIMEOUT, check=False)
    lines = done.stdout.splitlines()
    if done.returncode or not lines:
        said = done.stderr.strip().splitlines()
        raise exceptions.ConfigError(
            "Starting as nova-compute does failed: %s" % (said[-1] if said else "no reason given"))
    return dict(json.loads(lines[-1]))

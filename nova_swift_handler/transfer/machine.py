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

"""Which machine this is: what a killed command has left is judged only where it ran.

Two machines may have one host name, as those have that were made of one image.  They differ in
``/etc/machine-id`` (machine-id(5)), which stays as it is when a machine is started again.  So do
containers that have one of their own; those that share their host's differ in their network
namespace, beyond which nobody sees which transfers are alive (:mod:`.alive`).
"""

from __future__ import annotations

import hashlib
import os
import re

_IDS = ("/etc/machine-id", "/var/lib/dbus/machine-id", "/proc/sys/kernel/random/boot_id")
"""The first that there is counts; the last is another one after each start."""

_NAMESPACE = "/proc/self/ns/net"
_DIGITS = 12


def identity() -> str:
    """Return what tells this machine from others, by which none of it can be told."""
    found = "%s %s" % (_id(), _namespace())
    # machine-id(5) asks that the id itself be shown to nobody.
    return hashlib.sha256(b"nova_swift_handler " + found.encode("ascii")).hexdigest()[:_DIGITS]


def _id() -> str:
    for path in _IDS:
        try:
            with open(path, encoding="ascii", errors="replace") as file:
                text = file.read().strip()
        except OSError:
            continue
        if re.fullmatch(r"[0-9a-f-]{32,36}", text):  # not empty, nor "uninitialized"
            return text
    return ""


def _namespace() -> str:
    try:
        return os.readlink(_NAMESPACE)
    except OSError:
        return ""

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

"""The storage errors of SM (core/XE_SR_ERRORCODES.xml) as XAPI passes them on."""

from __future__ import annotations

from nova_swift_handler.sandbox.xapi.storage.base import StorageError

_DESCRIPTIONS = {
    38: "not implemented",
    43: "The VDI already exists",
    44: "There is insufficient space",
    46: "The VDI is not available",
    78: "VDI Creation failed",
    79: "VDI Invalid size",
    80: "Failed to mark VDI hidden",
    81: "Failed to clone VDI",
    82: "Failed to snapshot VDI",
    109: "The snapshot chain is too long",
    180: (
        "Volume Group out of space. The SR is over-provisioned, and out of space. Unable to grow "
        "the underlying volume to accommodate the virtual size of the disk."
    ),
    459: "Changed block tracking log is in an inconsistent state.",
    460: "Failed to calculate changed blocks for given VDIs.",
}


def backend_failure(number: int, opterr: str = "") -> StorageError:
    """Return SR_BACKEND_FAILURE_<number> with the three params SM gives it."""
    text = _DESCRIPTIONS[number]
    if opterr:
        text = "%s [opterr=%s]" % (text, opterr)
    return StorageError("SR_BACKEND_FAILURE_%d" % number, ["", text, ""])


def io_error() -> StorageError:
    """Return what vhd-tool's failure becomes, whatever its reason."""
    return StorageError("VDI_IO_ERROR", ["Device I/O errors"])


def unknown_disk(uuid: str) -> StorageError:
    """Return the error for a uuid this SR does not hold."""
    return StorageError("UUID_INVALID", ["VDI", uuid])

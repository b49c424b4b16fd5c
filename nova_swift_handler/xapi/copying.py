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

"""Copy a VDI on primary storage: whatever chain it has, the copy has none."""

from __future__ import annotations

from typing import Callable, Mapping, Optional

from nova_swift_handler import exceptions
from nova_swift_handler.xapi import beforehand, marked, repository
from nova_swift_handler.xapi import disk as disks
from nova_swift_handler.xapi import session as sessions
from nova_swift_handler.xapi import task as tasks


def copy(session: sessions.Session, vdi_uuid: str, transfer_id: str,
         sr_ref: Optional[str] = None, name_label: Optional[str] = None,
         description: Optional[str] = None, other_config: Optional[Mapping[str, str]] = None,
         progress: Callable[[int, int], None] = lambda done, total: None,
         check: Callable[[], None] = lambda: None) -> str:
    """Make a flat copy of a VDI that no VM writes to, and return its uuid.

    The copy is made by us and filled by ``VDI.copy``, so that it is marked from its first moment
    on; the caller does :func:`.marked.release` when it takes it over.  When anything fails, or
    *check* raises, XAPI is told to stop and the copy is destroyed.

    :param transfer_id: the mark's value.
    :param sr_ref: the SR that gets it; None is that of the VDI.
    :param name_label: its name; None is that of the VDI.
    :param description: None is that of the VDI.
    :param other_config: nothing if None: what the VDI has would be taken for the copy's own.
    :param progress: called with how many bytes of the disk are done, and there are.
    :raises SrFull: the SR has no room.
    :raises XapiError: the VDI is in use, no disk, or not there, or the copy failed.
    """
    beforehand.copy(session, vdi_uuid, sr_ref)
    record = disks.get_record(session, vdi_uuid)
    size, where = int(record["virtual_size"]), sr_ref or str(record["SR"])
    made = marked.create(
        session, transfer_id, where, size,
        record["name_label"] if name_label is None else name_label,
        record["name_description"] if description is None else description, other_config or {})
    try:
        _fill(session, vdi_uuid, made, lambda fraction: progress(int(fraction * size), size),
              check)
    except exceptions.TaskFailed as failure:
        full = repository.run_full(session, where, failure)  # while the copy takes its room
        disks.discard(session, made, "a failed copy")
        if full is None:
            raise
        raise full from failure
    except BaseException:
        disks.discard(session, made, "a failed copy")
        raise
    return made


def _fill(session: sessions.Session, vdi_uuid: str, made: str,
          progress: Callable[[float], None], check: Callable[[], None]) -> None:
    doing = f"copying VDI {vdi_uuid} to VDI {made}"
    source = session.call("VDI.get_by_uuid", vdi_uuid, doing=doing)
    target = session.call("VDI.get_by_uuid", made, doing=doing)
    with tasks.Call(session, doing, "VDI.copy", source, repository.NULL, repository.NULL,
                    target) as task:
        task.watch(progress, check)

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

"""The verbs of each class beyond the ones all classes share, one file a class.

A class here is named as XAPI names it; its public methods are its verbs.  Each takes the
``Call`` first, then XAPI's parameters; the number of parameters a client must give is read from
the signature, defaults being parameters that later releases added.  A verb whose name is a word of
Python's ends with an underscore.  ``sync_only`` names the verbs that have no Async mode.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Dict

from nova_swift_handler.sandbox.xapi.verbs.event import Event
from nova_swift_handler.sandbox.xapi.verbs.host import HostVerbs
from nova_swift_handler.sandbox.xapi.verbs.network import Network
from nova_swift_handler.sandbox.xapi.verbs.pbd import PBD
from nova_swift_handler.sandbox.xapi.verbs.secret import Secret
from nova_swift_handler.sandbox.xapi.verbs.session import Session
from nova_swift_handler.sandbox.xapi.verbs.sr import SR
from nova_swift_handler.sandbox.xapi.verbs.task import Task
from nova_swift_handler.sandbox.xapi.verbs.vbd import VBD
from nova_swift_handler.sandbox.xapi.verbs.vdi import VDI
from nova_swift_handler.sandbox.xapi.verbs.vif import VIF
from nova_swift_handler.sandbox.xapi.verbs.vm import VM

if TYPE_CHECKING:
    from nova_swift_handler.sandbox.xapi.pool import Pool


def all_verbs(pool: Pool) -> Dict[str, Any]:
    """An object for each class, by the class's name."""
    return {
        "session": Session(pool), "task": Task(pool), "host": HostVerbs(pool), "SR": SR(pool),
        "PBD": PBD(pool), "VDI": VDI(pool), "VBD": VBD(pool), "VM": VM(pool),
        "network": Network(pool), "VIF": VIF(pool), "secret": Secret(pool),
        "event": Event(pool),
    }

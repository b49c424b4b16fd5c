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

"""Nova's notifications of transfers: sent as Nova sends its own, behind the transfers' back.

The unversioned and the versioned notifier of ``nova.rpc`` each send nothing unless
``[oslo_messaging_notifications] driver`` and ``[notifications] notification_format`` say so.  A
message bus that is down may keep a notifier waiting for ever: a thread of its own waits, and what
comes up meanwhile is dropped when there is too much of it.
"""

from __future__ import annotations

import logging
import queue
import threading
from typing import Any, Dict, NamedTuple, Optional

from nova import context as nova_context
from nova import rpc

LOG = logging.getLogger(__name__)

VERSION = "1.0"
"""Of the payload.  A new field raises the minor number, any other change the major one."""

PREFIX = "swift_vhd"
INFO, ERROR = "info", "error"

_MOST = 200
"""Notifications that wait to be sent."""

_BINARY = "nova-compute"


class _Message(NamedTuple):
    context: Any
    host: str
    priority: str
    event_type: str
    payload: Dict[str, Any]


_waiting: queue.Queue[_Message]
_thread: Optional[threading.Thread] = None


def notify(context: Any, host: str, priority: str, event_type: str,
           payload: Dict[str, Any]) -> None:
    """Have a notification sent, some time soon; returns at once and never raises.

    :param context: of the request; without its token.
    :param payload: the fields, without what says their version.
    """
    global _thread, _waiting
    try:
        if rpc.LEGACY_NOTIFIER is None or rpc.NOTIFIER is None:
            return  # this is no service of Nova's
        if _thread is None:
            # Made at first use, when eventlet has patched threading, or never will.
            _waiting = queue.Queue(_MOST)
            _thread = threading.Thread(target=_send_all, args=(_waiting,), daemon=True)
            _thread.start()
        _waiting.put_nowait(_Message(_bare(context), host, priority, event_type, payload))
    except queue.Full:
        LOG.warning("Notification %s is dropped: %d wait to be sent already; is the message bus "
                    "of [oslo_messaging_notifications] up?", event_type, _MOST)
    except Exception:
        LOG.warning("Notification %s could not be sent", event_type, exc_info=True)


def _bare(context: Any) -> nova_context.RequestContext:
    # Notifiers of Nova's time put all of a context on the bus, the user's token included.
    # Not to be written over: of the thread's own context, logs tell whose request it is.
    return nova_context.RequestContext(
        user_id=getattr(context, "user_id", None), project_id=getattr(context, "project_id", None),
        request_id=getattr(context, "request_id", None), is_admin=False, overwrite=False)


def _send_all(waiting: queue.Queue[_Message]) -> None:
    while True:
        message = waiting.get()
        try:
            _send(message)
        except Exception:
            LOG.warning("Notification %s could not be sent", message.event_type, exc_info=True)


def _send(message: _Message) -> None:
    # The notifier that get_notifier() wraps: the wrapper warns of each type that Nova has not.
    unversioned = rpc.get_notifier("compute", message.host).notifier
    getattr(unversioned, message.priority)(
        message.context, message.event_type, {"version": VERSION, **message.payload})
    versioned = rpc.get_versioned_notifier("%s:%s" % (_BINARY, message.host))
    getattr(versioned, message.priority)(message.context, message.event_type, {
        "nova_object.name": "SwiftVhdTransferPayload",
        "nova_object.namespace": "nova_swift_handler",
        "nova_object.version": VERSION,
        "nova_object.data": message.payload})

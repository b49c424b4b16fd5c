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

"""Calls of dom0 plugins on Python 3.

os_xenapi pickles the arguments in the newest protocol, to bytes, which XML-RPC sends as base64;
XAPI takes text only.  The answer is text, which Python 3 does not unpickle.  The first call of
the kind is part of logging in, so on Python 3 os_xenapi 0.3.4 cannot log in at all.

Dom0 unpickles with Python 2, and XML-RPC carries text, hence protocol 0 in plain ASCII.
"""

from __future__ import annotations

import pickle
import re
from typing import Any

NAME = "plugin calls on Python 3"

# In protocol 0 only the arguments of V (unicode, raw-unicode-escape) go beyond ASCII; a literal
# backslash is always escaped there, so an escape may stand for any such character.
_BEYOND_ASCII = re.compile(r"[\x80-\xff]")


def dumps(value: Any) -> str:
    """Return *value* pickled so that Python 2 reads it, in ASCII only."""
    text = pickle.dumps(value, protocol=0).decode("latin-1")
    return _BEYOND_ASCII.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def loads(answer: Any) -> Any:
    """Return what a plugin pickled with Python 2; its byte strings are taken to be UTF-8."""
    data = answer.encode("latin-1") if isinstance(answer, str) else getattr(answer, "data", answer)
    # Dom0 is trusted: it has the host's disks and passwords anyway.
    return pickle.loads(data, encoding="utf-8", errors="surrogateescape")  # noqa: S301


def call_plugin_serialized(self: Any, plugin: str, fn: str, *args: Any, **kwargs: Any) -> Any:
    """Call a plugin that expects and returns pickles, as XenAPISession's method of the name."""
    answer = self.call_plugin(plugin, fn, {"params": dumps({"args": args, "kwargs": kwargs})})
    return loads(answer)


class _Echo:
    """Stands in for a session; answers as XML-RPC would hand over a plugin's answer."""

    def call_plugin(self, _plugin: str, _fn: str, args: Any) -> str:
        if not isinstance(args["params"], str):
            raise TypeError("XAPI takes text")
        return "I1\n."


def is_broken() -> bool:
    """Try a call without a host."""
    from os_xenapi.client import session

    try:
        return bool(session.XenAPISession.call_plugin_serialized(_Echo(), "p", "f", "a") != 1)
    except TypeError:
        return True


def apply() -> None:
    """Replace the method."""
    from os_xenapi.client import session

    session.XenAPISession.call_plugin_serialized = call_plugin_serialized


def in_force() -> bool:
    """Return whether the method is ours."""
    from os_xenapi.client import session

    return session.XenAPISession.call_plugin_serialized is call_plugin_serialized

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

"""Pickles as Nova's "serialized" plugins exchange them: dom0 runs Python 2.

Protocol 0 is text, so it fits into an XML-RPC string; newer protocols do not.  Pickles come from
a client: only plain data is accepted, no classes.
"""

from __future__ import annotations

import io
import pickle
from typing import Any


class _PlainData(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        # Python 3 writes bytes in protocol 0 as a call of this function.
        if (module, name) == ("_codecs", "encode"):
            return super().find_class(module, name)
        raise pickle.UnpicklingError("%s.%s is not plain data" % (module, name))


#: The standard library's pickler in Python, which can be told how to write a type.
_PythonPickler: Any = pickle._Pickler


class _Python2(_PythonPickler):
    """Writes ASCII text as Python 2 writes its ``str``, by the opcode STRING."""

    dispatch = dict(_PythonPickler.dispatch)

    def _save_text(self, value: str) -> None:
        if value.isascii():
            self.write(b"S" + repr(value).encode("ascii") + b"\n")
            self.memoize(value)
        else:
            super().save_str(value)

    dispatch[str] = _save_text


def loads(text: str) -> Any:
    """Raises pickle.UnpicklingError, or ValueError where the text is no pickle at all."""
    return _PlainData(io.BytesIO(text.encode("latin-1"))).load()


def dumps(value: Any) -> str:
    target = io.BytesIO()
    _Python2(target, 0).dump(value)
    return target.getvalue().decode("latin-1")

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

"""Failures as XAPI reports them: a code and parameters (ErrorDescription).

Codes and the order of their parameters are those of xen-api's ocaml/idl/datamodel_errors.ml.
"""

from __future__ import annotations

from typing import List

from nova_swift_handler.sandbox.xapi.storage.base import StorageError


class ApiError(Exception):
    """A call failed; ``description`` is what the client gets as ErrorDescription."""

    def __init__(self, code: str, *params: object):
        self.code = code
        self.params = [str(param) for param in params]
        super().__init__(code, *self.params)

    @property
    def description(self) -> List[str]:
        return [self.code, *self.params]

    def __str__(self) -> str:
        """The text of ExnHelper.string_of_exn, which reaches HTTP bodies and task errors."""
        return "%s: [ %s ]" % (self.code, "; ".join(self.params))


def handle_invalid(cls: str, ref: object) -> ApiError:
    return ApiError("HANDLE_INVALID", cls, ref)


def uuid_invalid(cls: str, uuid: object) -> ApiError:
    return ApiError("UUID_INVALID", cls, uuid)


def internal_error(text: object) -> ApiError:
    return ApiError("INTERNAL_ERROR", text)


def io_error() -> ApiError:
    """Whatever goes wrong inside vhd-tool; the reason stands in the host's log only."""
    return ApiError("VDI_IO_ERROR", "Device I/O errors")


def from_exception(exc: BaseException) -> ApiError:
    """Make any exception one that can be reported."""
    if isinstance(exc, ApiError):
        return exc
    if isinstance(exc, StorageError):
        return ApiError(exc.code, *exc.params)
    return internal_error("%s(%s)" % (type(exc).__name__, exc))

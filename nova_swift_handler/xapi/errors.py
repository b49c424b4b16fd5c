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

"""XAPI's failures and those of the network, as errors of this package.

Codes and their parameters: xen-api ``api_errors.ml``; the numbers of SR_BACKEND_FAILURE:
sm ``XE_SR_ERRORCODES.xml``.
"""

from __future__ import annotations

import http.client
import re
import socket
import ssl
from typing import Dict, Sequence, Type

from nova_swift_handler import exceptions

ABSENT = ("UUID_INVALID", "HANDLE_INVALID")
"""Codes that say that the named record does not exist."""

_FULL = ("SR_BACKEND_FAILURE_44", "SR_FULL", "SR_SOURCE_SPACE_INSUFFICIENT")
# A file SR that runs full reports the failed step, and errno 28 in the text.
_NO_SPACE = re.compile(r"\b(error 28|ENOSPC|no space left|insufficient space|not enough space)\b",
                       re.IGNORECASE)
FULL_ADVICE = "free or add space on the SR, or let its garbage collector finish, then try again"

_ADVICE: Dict[str, str] = {
    "SESSION_AUTHENTICATION_FAILED":
        "check [xenserver] connection_username and connection_password",
    "RBAC_PERMISSION_DENIED":
        "check that the user of [xenserver] connection_username has the role vm-admin, and that"
        " what the message names exists",
    "VDI_IN_USE": "something still has the VDI attached; wait for it or detach it",
    "OTHER_OPERATION_IN_PROGRESS": "wait for the other operation to end and try again",
    "VDI_IO_ERROR": "the reason is in /var/log/xensource.log of the host, at vhd-tool",
    "VDI_NOT_MANAGED": "the VDI is a hidden base copy; name the snapshot or disk above it",
    "VDI_READONLY": "the VDI is read-only and cannot be written to",
    "VDI_INCOMPATIBLE_TYPE": "the VDI's data has been destroyed or it is no disk",
    "VDI_TOO_LARGE": "VHDs end at 2040 GiB",
    "UUID_INVALID": "it does not exist (any more)",
    "HANDLE_INVALID": "it does not exist (any more)",
    "SR_BACKEND_FAILURE_79": "a disk must have between 1 MiB and 2040 GiB and cannot shrink",
    "SR_BACKEND_FAILURE_109":
        "the snapshot chain is too long; let the SR's garbage collector coalesce it (swift-vhd sr"
        " coalesce --wait)",
    "SR_BACKEND_FAILURE_46":
        "if another host of the pool has the VDI open, detach it there or take a snapshot of it",
    "SR_BACKEND_FAILURE_47": "check that the SR is plugged on the host",
    "XENAPI_MISSING_PLUGIN": "install the dom0 plugins of os_xenapi on the host",
}


def from_failure(description: Sequence[str], doing: str,
                 kind: Type[exceptions.XapiError] = exceptions.XapiError
                 ) -> exceptions.XapiError:
    """Turn XAPI's error into ours.

    :param description: ``[code, *params]`` as XAPI gives it (``ErrorDescription`` of a call,
        ``error_info`` of a task), free of session references.
    :param doing: what was being done to what, e.g. ``"creating a VDI on SR x"``.
    :param kind: the class to use when no narrower one fits.
    :returns: a :class:`SrFull` when the SR has no room, a :class:`RecordMissing` for a uuid that
        is nobody's, otherwise an instance of ``kind``.
    """
    code = description[0] if description else "no error code"
    if code == "UUID_INVALID" and kind is exceptions.XapiError:
        kind = exceptions.RecordMissing
    params = tuple(str(param) for param in description[1:])
    text = ", ".join(param for param in params if param)
    advice = _ADVICE.get(code, "")
    if code in _FULL or (code.startswith("SR_BACKEND_FAILURE_") and _NO_SPACE.search(text)):
        kind, advice = exceptions.SrFull, FULL_ADVICE
    message = f"{doing} failed: XAPI says {code}"
    if text:
        message += f" ({text[:600]})"
    if advice:
        message += f"; {advice}"
    return kind(message, code, params)


def from_network(error: Exception, doing: str, where: str) -> exceptions.XapiUnreachable:
    """Turn an error of socket, ssl or http.client into ours.

    :param where: scheme, host and port of the other side, without credentials.
    """
    return exceptions.XapiUnreachable(
        f"{doing} failed: {_reason(error)} at {where}; {_network_advice(error)}")


def _reason(error: Exception) -> str:
    if isinstance(error, socket.timeout):
        return "XAPI did not answer in time"
    if isinstance(error, http.client.HTTPException):
        # Texts of http.client can quote what the server said; the kind alone says enough.
        return f"XAPI's answer cannot be understood ({type(error).__name__})"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"the certificate is not trusted ({error.verify_message})"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error) or type(error).__name__


def _network_advice(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return ("set [swift_vhd] xapi_cafile to the authority of the hosts' certificates, and"
                " name the host in [xenserver] connection_url as its certificate does")
    if isinstance(error, ssl.SSLError):
        return "check that [xenserver] connection_url names a port that speaks TLS"
    return "check [xenserver] connection_url and that xapi runs on the host"

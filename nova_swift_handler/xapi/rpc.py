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

"""One call of XAPI's XML-RPC, on a connection of its own.

A connection a call costs a handshake and buys what a kept one cannot give: threads share nothing,
and a call that changes something is never sent twice because an idle connection had gone stale.
"""

from __future__ import annotations

import http.client
import xml.parsers.expat
import xmlrpc.client
from typing import Any, Callable, Dict, Sequence

import tenacity

from nova_swift_handler import exceptions, tally
from nova_swift_handler.xapi import endpoint as endpoints
from nova_swift_handler.xapi import errors
from nova_swift_handler.xapi import settings as xapi_settings

_ATTEMPTS = 3
_UNREADABLE = (xml.parsers.expat.ExpatError, xmlrpc.client.Error, LookupError, TypeError,
               ValueError)


def call(endpoint: endpoints.Endpoint, settings: xapi_settings.XapiSettings, method: str,
         args: Sequence[Any], read_timeout: float, doing: str,
         scrub: Callable[[str], str]) -> Any:
    """Make one call.

    What was never sent, and what only reads, is tried again when the connection breaks.

    :param args: all parameters, the session's reference included where the method takes one.
        64-bit integers are strings in XAPI (xen-api wire format).
    :param read_timeout: seconds without a byte of the answer.
    :param doing: names the work in errors.
    :param scrub: takes secrets out of what XAPI says.
    :returns: the ``Value`` of XAPI's envelope.
    :raises XapiError: XAPI answered with an error.
    :raises XapiUnreachable: it did not answer, or not as XAPI does.
    """
    body = xmlrpc.client.dumps(tuple(args), method).encode("utf-8")
    repeatable = method.rsplit(".", 1)[-1].startswith("get_")
    sent = False

    def attempt() -> bytes:
        nonlocal sent
        sent = False
        connection = http.client.HTTPConnection(endpoint.host, endpoint.port)
        try:
            connection.sock = endpoint.connect(settings)
            connection.sock.settimeout(read_timeout)
            sent = True
            return _post(connection, endpoint, settings, body)
        except OSError as exc:
            raise errors.from_network(exc, doing, str(endpoint)) from exc
        except http.client.HTTPException as exc:
            # Without its cause, whose text may quote what the server sent.
            raise errors.from_network(exc, doing, str(endpoint)) from None
        finally:
            connection.close()

    def again(exc: BaseException) -> bool:
        return isinstance(exc.__cause__, ConnectionError) and (repeatable or not sent)

    retrying = tenacity.Retrying(
        stop=tenacity.stop_after_attempt(_ATTEMPTS), retry=tenacity.retry_if_exception(again),
        wait=tenacity.wait_exponential(multiplier=0.2, max=2), reraise=True,
        # Old releases of tenacity go by the name of the parameter.
        before_sleep=lambda retry_state: tally.TALLY.retry(tally.XAPI))
    return _value(retrying.wraps(attempt)(), doing, endpoint, scrub)


def _post(connection: http.client.HTTPConnection, endpoint: endpoints.Endpoint,
          settings: xapi_settings.XapiSettings, body: bytes) -> bytes:
    tally.TALLY.request(tally.XAPI, "POST")
    connection.request("POST", "/", body, {
        "Host": endpoint.netloc, "Content-Type": "text/xml", "Connection": "close",
        "User-Agent": settings.originator})
    response = connection.getresponse()
    answer = response.read()
    if response.status != 200:
        raise ConnectionError(f"it answered HTTP {response.status}")
    return answer


def _value(answer: bytes, doing: str, endpoint: endpoints.Endpoint,
           scrub: Callable[[str], str]) -> Any:
    try:
        values, _method = xmlrpc.client.loads(answer)
        envelope: Dict[str, Any] = values[0]  # type: ignore[assignment]
        if envelope["Status"] == "Success":
            return envelope.get("Value", "")
        description = [scrub(str(item)) for item in envelope["ErrorDescription"]]
    except xmlrpc.client.Fault as fault:
        raise exceptions.XapiError(
            f"{doing} failed: XAPI says {scrub(fault.faultString)[:600]}; look into the host's"
            " /var/log/xensource.log") from None
    except _UNREADABLE:
        raise exceptions.XapiUnreachable(
            f"{doing} failed: what answers at {endpoint} is not XAPI; check [xenserver]"
            " connection_url") from None
    raise errors.from_failure(description, doing)

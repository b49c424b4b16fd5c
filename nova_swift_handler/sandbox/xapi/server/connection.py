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

"""Serving one connection: requests in, handlers called, exceptions written as XAPI writes them."""

from __future__ import annotations

import logging
from typing import Callable, Mapping, Optional, Tuple

from nova_swift_handler.sandbox.xapi import errors
from nova_swift_handler.sandbox.xapi.server import request as requests
from nova_swift_handler.sandbox.xapi.server import response
from nova_swift_handler.sandbox.xapi.server.request import MalformedRequest, Request
from nova_swift_handler.sandbox.xapi.server.stream import HeadTooLong, HeadTooSlow, Stream

LOG = logging.getLogger(__name__)

#: Serves a request and says whether another may follow on the connection.
Handler = Callable[[Request, Stream], bool]
#: (method, path prefix) -> handler; the longest matching prefix wins.
Routes = Mapping[Tuple[str, str], Handler]

#: Limits of XAPI's plain listener (xapi_globs.ml): bytes of a header, seconds.
HEAD_LIMIT = 1024
_HEAD_LIMIT_TLS = 64 * 1024
_HEAD_IDLE, _HEAD_EACH, _HEAD_TOTAL = 300.0, 10.0, 60.0


class Dropped(Exception):
    """The connection is to end here and now, with nothing more said."""

    def __init__(self, reset: bool = False):
        super().__init__("dropped")
        self.reset = reset


def serve(stream: Stream, routes: Routes) -> None:
    """Serve requests until the connection ends; never raises."""
    try:
        while _serve_one(stream, routes):
            pass
    except Dropped as exc:
        if exc.reset:
            stream.reset()
    except OSError:
        LOG.debug("a client went away")
    except Exception:
        LOG.exception("a connection failed")
    stream.close()


def _serve_one(stream: Stream, routes: Routes) -> bool:
    version = "1.1"
    try:
        limit = HEAD_LIMIT if stream.head_is_limited else _HEAD_LIMIT_TLS
        head = stream.read_head(limit, _HEAD_IDLE, _HEAD_EACH, _HEAD_TOTAL)
        if head is None:
            return False
        request = requests.parse(head)
        version = request.version
        handler = _find(routes, request)
        if handler is None:
            stream.write(response.not_found(version))
            return False
        return handler(request, stream)
    except HeadTooLong:
        stream.write(response.header_too_long())
    except HeadTooSlow:
        stream.write(response.timed_out())
    except MalformedRequest as exc:
        stream.write(response.internal_error(version, "Malformed request: %s" % exc))
    except (Dropped, OSError):
        raise
    except Exception as exc:  # whatever it is, XAPI writes it, also after a 200
        error = errors.from_exception(exc)
        if error.code == "INTERNAL_ERROR" and not isinstance(exc, errors.ApiError):
            LOG.exception("%s failed", request.path)
        stream.write(response.internal_error(version, str(error)))
    return False


def _find(routes: Routes, request: Request) -> Optional[Handler]:
    matches = [
        (len(prefix), handler) for (method, prefix), handler in routes.items()
        if method == request.method and _covers(prefix, request.path)]
    return max(matches, key=lambda match: match[0])[1] if matches else None


def _covers(prefix: str, path: str) -> bool:
    return path == prefix or (prefix != "/" and path.startswith(prefix.rstrip("/") + "/"))

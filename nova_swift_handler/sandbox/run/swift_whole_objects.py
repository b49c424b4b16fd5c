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

"""A paste filter that makes Swift's static large objects as poor as those of Ceph's gateway.

That one decodes path, etag and size_bytes of a manifest's entries.  ``range`` and ``data`` it does
not know, and says nothing: a range becomes the whole object, inline data disappear, and the
stitched object has other bytes than the client meant.
"""

import io
import json
from typing import Any, Callable, Dict, List
from urllib import parse

from swift.common.registry import register_swift_info

_KNOWN = {"path", "etag", "size_bytes"}


def _poorer(manifest: bytes) -> bytes:
    try:
        entries: List[Dict[str, Any]] = json.loads(manifest)
        kept = [{key: value for key, value in entry.items() if key in _KNOWN}
                for entry in entries if "path" in entry]
    except (ValueError, TypeError, AttributeError):
        return manifest  # no manifest: slo says so
    return json.dumps(kept).encode()


def _is_manifest(environ: Dict[str, Any]) -> bool:
    query = parse.parse_qs(environ.get("QUERY_STRING", ""))
    return environ["REQUEST_METHOD"] == "PUT" and query.get("multipart-manifest") == ["put"]


def filter_factory(global_conf: Any, **local_conf: Any) -> Callable[[Any], Any]:
    # A cluster that changes its kind is noticed by this.
    register_swift_info("slo_of_whole_objects")

    def wrap(application: Any) -> Any:
        def call(environ: Dict[str, Any], start_response: Any) -> Any:
            if _is_manifest(environ):
                length = environ.get("CONTENT_LENGTH")
                size = [int(length)] if length else []
                body = _poorer(environ["wsgi.input"].read(*size))
                environ["wsgi.input"] = io.BytesIO(body)
                environ["CONTENT_LENGTH"] = str(len(body))
                environ.pop("HTTP_TRANSFER_ENCODING", None)
            return application(environ, start_response)
        return call
    return wrap

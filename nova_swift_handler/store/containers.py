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

"""The verbs this package needs of a Swift account as a whole, and of its containers."""

from __future__ import annotations

import contextlib
import datetime
import email.utils
import functools
import re
from typing import Any, Callable, Dict, Iterator, List, Mapping, NamedTuple, Optional, Tuple

import swiftclient.client as swift

from nova_swift_handler import exceptions
from nova_swift_handler.store.connection import Connection

_Page = Tuple[Dict[str, str], List[Dict[str, Any]]]


class Contents(NamedTuple):
    """What a container holds.

    :ivar used: bytes of all its objects, manifests by their own size.
    """

    used: int
    rows: List[Dict[str, Any]]


class ContainerVerbs:
    """The part of :class:`~.account.Account` that is about no single object; errors as there."""

    def __init__(self, connection: Connection) -> None:
        self._conn = connection

    @property
    def url(self) -> str:
        """The account's storage URL."""
        return self._conn.url

    def info(self) -> Dict[str, Any]:
        """Return what the cluster says of itself and its limits (``GET /info``).

        Empty where it says nothing: an operator may close it, and not every proxy passes it on.
        """
        def fetch(http_conn: Any, **_auth: Any) -> Any:
            parsed, conn = http_conn
            # Beside the API's version, which may have a path before it: Ceph has /swift/v1.
            path = re.sub(r"/v\d[\d.]*(/.*)?$", "", parsed.path) + "/info"
            return swift.get_capabilities((parsed._replace(path=path), conn))

        with contextlib.suppress(exceptions.ObjectMissing, exceptions.StoreAuthFailed):
            answer = self._conn.repeat("asking the cluster for its limits", fetch)
            return answer if isinstance(answer, dict) else {}
        return {}

    def clock(self, container: str) -> datetime.datetime:
        """Return the cluster's time, in UTC, as it answers for *container*; of whole seconds."""
        return email.utils.parsedate_to_datetime(self.head_container(container)["date"])

    def put_container(self, container: str, headers: Mapping[str, str]) -> None:
        """Create *container*, or set *headers* on the one that is there."""
        self._conn.repeat("creating container %s" % container, lambda **auth: swift.put_container(
            container=container, headers=dict(headers), **auth))

    def delete_container(self, container: str) -> bool:
        """Remove *container* if it is empty; tell whether it is gone.

        Swift refuses it of one that is not, and of one whose objects it has not listed yet.
        """
        def request(**auth: Any) -> bool:
            try:
                swift.delete_container(container=container, **auth)
            except swift.ClientException as error:
                if error.http_status == 409:
                    return False
                raise
            return True

        try:
            return self._conn.repeat("removing container %s" % container, request)
        except exceptions.ObjectMissing:
            return True

    def head_container(self, container: str) -> Dict[str, str]:
        """Return the container's headers, names in lower case."""
        return self._conn.repeat(
            "looking up container %s" % container,
            lambda **auth: swift.head_container(container=container, **auth))

    def containers(self, prefix: str) -> Iterator[str]:
        """Yield the names of the account's containers that begin with *prefix*.

        One that was just made may be missing: the account hears of it late.
        """
        marker = ""
        while True:
            _headers, rows = self._listed("listing the account's containers", functools.partial(
                swift.get_account, prefix=prefix, marker=marker))
            if not rows:
                return
            yield from (row["name"] for row in rows)
            marker = rows[-1]["name"]

    def head_account(self) -> Dict[str, str]:
        """Return the account's headers, names in lower case."""
        return self._conn.repeat("looking up the account", swift.head_account)

    def post_account(self, headers: Mapping[str, str]) -> None:
        """Set *headers* on the account."""
        self._conn.repeat("setting the account's metadata", lambda **auth: swift.post_account(
            headers=dict(headers), **auth))

    def listing(self, container: str, prefix: str = "",
                delimiter: Optional[str] = None) -> Iterator[Dict[str, Any]]:
        """Yield the rows of a container's listing, by name.

        :param delimiter: names with this character behind the prefix are left out but for what
            stands before it, which comes as a row with the key ``subdir`` instead of ``name``.
        """
        for _headers, rows in self._pages(container, prefix, delimiter):
            yield from rows

    def contents(self, container: str) -> Contents:
        """Return the bytes that a container's objects take, and its listing's rows."""
        used, rows = 0, []
        for headers, page in self._pages(container, "", None):
            used = int(headers["x-container-bytes-used"])
            rows += page
        return Contents(used, rows)

    def _pages(self, container: str, prefix: str,
               delimiter: Optional[str]) -> Iterator[_Page]:
        fetch = functools.partial(swift.get_container, container=container,
                                  prefix=prefix or None, delimiter=delimiter)
        marker = ""
        while True:
            headers, rows = self._listed("listing container %s" % container,
                                         functools.partial(fetch, marker=marker))
            yield headers, rows
            if not rows:
                return
            marker = rows[-1].get("name") or rows[-1]["subdir"]

    def _listed(self, what: str, fetch: Callable[..., Tuple[Any, Any]]) -> _Page:
        def request(**auth: Any) -> _Page:
            try:
                headers, rows = fetch(**auth)
            except ValueError as error:
                # A connection that is cut ends like any other.
                raise exceptions.StoreUnreachable(
                    "%s failed: the answer was cut, or is none of Swift's (%s); is there a proxy "
                    "in between?" % (what, error)) from error
            return headers, list(rows)

        return self._conn.repeat(what, request)

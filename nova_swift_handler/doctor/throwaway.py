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

"""Objects that are tried things out on, and that are gone afterwards whatever happens."""

from __future__ import annotations

import contextlib
import logging
import uuid
from types import TracebackType
from typing import Any, List, Optional, Tuple, Type
from urllib import parse

from keystoneauth1 import exceptions as ks_exceptions

from nova_swift_handler import exceptions
from nova_swift_handler.doctor.site import Site
from nova_swift_handler.store import presence, removal
from nova_swift_handler.store.account import Stored
from nova_swift_handler.store.manifest import Entry

LOG = logging.getLogger(__name__)

PREFIX = ".doctor/"
"""What the names of objects in containers that matter begin with; nothing else looks there."""

_AFTER = "swift-vhd doctor"
# In seconds: they vanish by themselves if this process is killed.
_LIFE = {"X-Delete-After": "3600"}
_PAGE = b"\0" * 1024


class ThrowAway:
    """A container as those of volumes are, and objects anywhere; a context manager.

    :ivar name: part of the names of all that is made.
    :ivar container: the container's name.
    """

    def __init__(self, site: Site) -> None:
        self._site = site
        self._account = site.account
        self.name = str(uuid.uuid4())
        self.container = "%s-doctor-%s" % (site.containers.prefix, self.name)
        self._made: List[Tuple[str, str]] = []

    def __enter__(self) -> ThrowAway:
        try:
            self._account.put_container(self.container,
                                        {"X-Container-Read": self._site.store_acl})
        except BaseException:
            self._clean_up()
            raise
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self._clean_up()

    def note(self, container: str, name: str) -> None:
        """Remember what may be made, so that it is removed."""
        self._made.append((container, name))

    def put(self, container: str, name: str) -> Stored:
        """Store a small object."""
        self.note(container, name)
        return self._account.put(container, name, _PAGE, headers=_LIFE)

    def stitch(self, container: str, name: str, of: Tuple[str, str], part: Stored) -> Stored:
        """Store an object stitched of one other.

        :param of: container and name of that.
        """
        self.note(container, name)
        return self._account.put_manifest(
            container, name, [Entry("/%s/%s" % of, part.etag, part.size)], headers=_LIFE)

    def is_there(self, container: str, name: str) -> bool:
        """Tell whether an object is still there."""
        return presence.exists(self._account, container, name)

    def as_store_user(self, method: str, path: str, **kwargs: Any) -> int:
        """Ask Swift as Glance's Swift user does; return the status.

        :param path: behind the account, query included.
        :raises StoreUnreachable: it cannot be asked, or fails: that is no refusal.
        """
        name, _mark, query = path.partition("?")
        url = "%s/%s" % (self._account.url, parse.quote(name))
        try:
            answer = self._site.store_session.request(
                url + ("?" + query if query else ""), method, raise_exc=False, log=False, **kwargs)
        except ks_exceptions.ClientException as error:
            raise exceptions.StoreUnreachable(
                "Asking Swift as Glance's Swift user failed: %s" % error) from error
        status = int(answer.status_code)
        if status >= 500:
            raise exceptions.StoreUnreachable(
                "Asking Swift as Glance's Swift user failed: it answered HTTP %d" % status)
        return status

    def _clean_up(self) -> None:
        removal.remove(self._account, reversed(self._made), _AFTER)
        try:
            with contextlib.suppress(exceptions.ObjectMissing):
                # Somebody else's user may have put objects there: that is what is looked for.
                removal.remove(self._account, [
                    (self.container, row["name"])
                    for row in self._account.listing(self.container)], _AFTER)
                self._account.delete_container(self.container)
        except exceptions.StoreError as error:
            LOG.warning("After %s container %s is left over; delete it: %s", _AFTER,
                        self.container, error)

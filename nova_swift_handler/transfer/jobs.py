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

"""What a transfer process can be asked to do, as plain values."""

from __future__ import annotations

import dataclasses
import socket
import uuid
from typing import Dict, Optional, Tuple, Union

from keystoneauth1.session import Session

from nova_swift_handler.catalog.names import Containers
from nova_swift_handler.credentials import Credentials
from nova_swift_handler.glance.service import ImageService
from nova_swift_handler.glance.settings import GlanceSettings, UserToken
from nova_swift_handler.settings import StoreSettings, TransferSettings
from nova_swift_handler.store.account import Account
from nova_swift_handler.store.connection import Connection
from nova_swift_handler.transfer import machine
from nova_swift_handler.transfer.signature import Signature
from nova_swift_handler.xapi.settings import XapiSettings


@dataclasses.dataclass(frozen=True)
class Services:
    """How everything outside is reached.

    :ivar xapi: the host; None where no VDI is touched.
    """

    credentials: Credentials
    store: StoreSettings
    transfer: TransferSettings
    glance: GlanceSettings
    xapi: Optional[XapiSettings] = None

    @property
    def containers(self) -> Containers:
        """The names of this installation's containers."""
        return Containers(self.store.container_prefix)

    def account(self, session: Optional[Session] = None) -> Account:
        """Return the service account in Swift.

        :param session: the service account's, to be shared with :meth:`images`: each new one
            costs Keystone a token.
        """
        own = self.credentials
        options = own.endpoint_filter(endpoint_override=own.endpoint_override)
        return Account(Connection(session or own.session(), options, verify=own.verify,
                                  cert=own.cert, timeout=own.timeout))

    def public_url(self, account: Account, session: Optional[Session] = None) -> str:
        """Return the storage URL of the account as people reach it.

        That is Keystone's public endpoint, unless ``endpoint_override`` gives another.
        """
        own = self.credentials
        if own.endpoint_override:
            return account.url
        return Account(Connection(
            session or own.session(), own.endpoint_filter(interface="public"), verify=own.verify,
            cert=own.cert, timeout=own.timeout)).url

    def images(self, user: Optional[UserToken], session: Optional[Session] = None) -> ImageService:
        """Return Glance as *user* sees it; as the service account does if None."""
        return ImageService(self.glance, session or self.credentials.session(), user)


@dataclasses.dataclass(frozen=True)
class SnapshotJob:
    """Store a VDI as the point of a Glance image, and make the image active.

    :ivar user: who asked for the snapshot; Glance decides what they may do.
    :ivar vdi_uuid: the leaf of the snapshot's chain.
    :ivar volume_id: what the VDI is a snapshot of: the instance's uuid.
    :ivar base_image_id: the image that the volume was made of; None if not of one.
    :ivar properties: set on the image.
    :ivar origin: recorded in the point, for people.
    """

    services: Services
    user: UserToken
    image_id: str
    vdi_uuid: str
    volume_id: str
    properties: Dict[str, str]
    origin: Dict[str, str]
    base_image_id: Optional[str] = None


def transfer_id(maker: str) -> str:
    """Return a new transfer's id.

    :param maker: who wants it: the name of the nova-compute, which is the same one after it was
        started again.
    """
    return "%s/%s" % (maker, uuid.uuid4())


def operator() -> str:
    """Return who wants the transfers of commands that are typed on this machine.

    The host's name is for people: another machine may have it, too.
    """
    return "%s+%s" % (former_operator(), machine.identity())


def former_operator() -> str:
    """Return what :func:`operator` was before machines of one name were told apart."""
    return "swift-vhd@" + socket.gethostname()


@dataclasses.dataclass(frozen=True)
class BootJob:
    """Make a VDI of a Glance image.

    :ivar user: who boots; Glance decides what they may have.  None is the service account.
    :ivar sr_ref: the SR that is to hold the VDI.
    :ivar name_label: the VDI's name until Nova gives it another.
    :ivar other_config: the VDI's, as Nova itself would set it.
    :ivar transfer_id: marks the VDI while it is being written; see :func:`transfer_id`.
    :ivar reap: whether to look first for what killed transfers of this nova-compute have left.
    :ivar signature: what the image's bytes must prove to be signed with; None demands nothing.
    """

    services: Services
    user: Optional[UserToken]
    image_id: str
    sr_ref: str
    name_label: str
    description: str
    other_config: Dict[str, str]
    transfer_id: str = dataclasses.field(default_factory=lambda: transfer_id("nobody"))
    reap: bool = False
    signature: Optional[Signature] = None

    @property
    def maker(self) -> str:
        """The nova-compute that wants the VDI."""
        return self.transfer_id.rpartition("/")[0]


@dataclasses.dataclass(frozen=True)
class CleanUpJob:
    """Remove what a killed transfer process may have left of an image's point, and the image.

    :ivar user: who asked for the snapshot; None is the service account.
    :ivar vdi_uuid: what it was exporting.
    """

    services: Services
    user: Optional[UserToken]
    image_id: str
    volume_id: str
    vdi_uuid: Optional[str] = None


@dataclasses.dataclass(frozen=True)
class DestroyJob:
    """Destroy the VDIs that a killed transfer process was writing.

    :ivar vdi_uuids: those that it told of; if none, there may be one of this transfer on the SR.
    """

    services: Services
    vdi_uuids: Tuple[str, ...]
    sr_ref: str
    transfer_id: str


Job = Union[SnapshotJob, BootJob, CleanUpJob, DestroyJob]

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

"""What killed transfers have left on an SR is destroyed by the next one of the same maker."""

from __future__ import annotations

import contextlib
import logging
from typing import Iterator

from nova_swift_handler import exceptions
from nova_swift_handler.transfer import alive
from nova_swift_handler.transfer.jobs import former_operator, operator, transfer_id
from nova_swift_handler.xapi import marked
from nova_swift_handler.xapi.session import Session

LOG = logging.getLogger(__name__)


def reap(session: Session, maker: str, sr_ref: str, former: str = "") -> None:
    """Destroy what killed transfers of *maker* have left; that it fails is no reason to stop.

    :param former: see ``marked.reap``.
    """
    try:
        marked.reap(session, maker, sr_ref, alive.is_alive, former)
    except exceptions.XapiError as error:
        LOG.warning("What killed transfers may have left on the SR is not destroyed: %s", error)


@contextlib.contextmanager
def transfer(session: Session, sr_ref: str) -> Iterator[str]:
    """Give the id of a transfer that an operator of this machine wants, alive meanwhile.

    Those of this machine that were killed are cleaned up after first.
    """
    maker = operator()
    new = transfer_id(maker)
    with alive.announced(new):
        reap(session, maker, sr_ref, former_operator())
        yield new

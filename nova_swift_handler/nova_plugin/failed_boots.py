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

"""Let a boot that fails end in ERROR, with its reason, instead of BUILD for ever.

When a boot fails for good, Nova's compute manager has the driver unplug the instance's VIFs before
it records why.  ``XenAPIDriver.unplug_vifs`` of Nova 18 to 21 calls ``VMOps.unplug_vifs`` without
the VM that it demands; the TypeError loses reason and state.  Nova is past mending, so this is
done where our handler is in use, and nowhere else.
"""

from __future__ import annotations

import logging
from typing import Any

LOG = logging.getLogger(__name__)


def repair() -> None:
    """Repair the driver if it is broken; never raises."""
    try:
        from nova.virt.xenapi import driver, vmops

        if _is_broken(driver, vmops):
            driver.XenAPIDriver.unplug_vifs = _unplug_vifs
            LOG.debug("Repaired XenAPIDriver.unplug_vifs")
    except Exception:
        LOG.exception("Boots that fail may leave instances in BUILD: XenAPIDriver.unplug_vifs "
                      "could not be repaired")


def _is_broken(driver: Any, vmops: Any) -> bool:
    class Stub:
        _vmops = vmops.VMOps.__new__(vmops.VMOps)

    try:
        driver.XenAPIDriver.unplug_vifs(Stub(), None, [])  # nothing to unplug
    except TypeError:
        return True
    except AttributeError:
        return False  # ours: it looks for a session first
    return False


def _unplug_vifs(self: Any, instance: Any, network_info: Any) -> None:
    """Unplug VIFs from networks; a VM that is gone has taken its VIFs along."""
    from nova.virt.xenapi import vm_utils

    vm_ref = vm_utils.lookup(self._session, instance["name"])
    if vm_ref is not None:
        self._vmops.unplug_vifs(instance, network_info, vm_ref)

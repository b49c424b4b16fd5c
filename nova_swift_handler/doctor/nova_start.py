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

"""Does what nova-compute does before it builds its driver, and tells what came of it, as JSON.

    python -m nova_swift_handler.doctor.nova_start CONFIG_FILE...

A process of its own: Nova's libraries patch what they find, and register their options with the
one configuration of their process.
"""

from __future__ import annotations

import nova.monkey_patch  # first, as nova.cmd does

# isort: split
import json
import logging
import sys

import nova.conf
import os_vif
from nova import config


def main() -> None:
    """Say what nova-compute would make of the files."""
    files = [word for path in sys.argv[1:] for word in ("--config-file", path)]
    config.parse_args(["nova-compute", *files], configure_db=False)
    logging.disable(logging.CRITICAL)
    conf = nova.conf.CONF
    os_vif.initialize()
    told = {"compute_driver": conf.compute_driver, "image_handler": None, "class": "",
            "problem": "", "cache_images": conf.xenserver.cache_images,
            "verify_signatures": bool(
                conf.glance.verify_glance_signatures
                or (conf.glance.enable_certificate_validation
                    and conf.glance.default_trusted_certificate_ids))}
    try:
        told["image_handler"] = name = conf.xenserver.image_handler
        from nova.virt.xenapi.image import utils
        made = type(utils.get_image_handler(name))
        told["class"] = "%s.%s" % (made.__module__, made.__qualname__)
    except Exception as error:  # noqa: BLE001  (told, whatever it is)
        # Of an option's bad value oslo.config tells no more than the text.
        told["image_handler"] = told["image_handler"] or "swift_vhd"
        told["problem"] = "%s: %s" % (type(error).__name__, error)
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()

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

"""Whether the configuration can be used as it stands."""

from __future__ import annotations

import difflib
import os
import shutil
from typing import Any, Callable, Dict, Iterator, List, Set, Tuple

from oslo_config import cfg

from nova_swift_handler import exceptions
from nova_swift_handler.conf import base, nova, opts, settings
from nova_swift_handler.doctor.check import NOT_CHECKED, OK, WARNING, WRONG, Finding
from nova_swift_handler.doctor.site import Site

_PARTS: Tuple[Tuple[str, Callable[[cfg.ConfigOpts], Any]], ...] = (
    ("the service account's options", settings.credentials),
    ("options of what is stored", settings.store),
    ("options of transfers", settings.transfer),
    ("options of Glance", settings.glance),
)


def files(conf: cfg.ConfigOpts) -> List[str]:
    """Return the configuration files that were read."""
    return list(conf.config_file or ()) + [
        os.path.join(each, name) for each in conf.config_dirs
        for name in sorted(os.listdir(each)) if name.endswith(".conf")]


def usable(site: Site) -> Iterator[Finding]:
    """Look whether each part of the section can be read, and Nova's for the host."""
    for what, read in _PARTS:
        yield _readable(site.conf, what, read)
    opts.register(site.conf)
    if site.conf[nova.XENSERVER].connection_url:
        yield _readable(site.conf, "options of the host", settings.xapi)
    else:
        yield Finding(NOT_CHECKED, "options of the host",
                      "these files have no [xenserver] connection_url: they are no nova-compute's",
                      "--config-file /etc/nova/nova-compute.conf, on a compute node")


def unknown(site: Site) -> Iterator[Finding]:
    """Look for options in our section that nothing reads, as a misspelt one."""
    what = "names of options in [%s]" % base.GROUP
    settings.credentials(site.conf)  # registers what its kind of login has
    known = {name.replace("-", "_") for name in site.conf[base.GROUP]}
    odd = sorted(_set_in(files(site.conf)) - known)
    for name in odd:
        close = difflib.get_close_matches(name, sorted(known), 1)
        yield Finding(WARNING, what, "%s is set, and nothing reads it" % name,
                      "write %s instead" % close[0] if close else "remove the line")
    if not odd:
        yield Finding(OK, what, "each is one that is known")


def staging(site: Site) -> Iterator[Finding]:
    """Look at the directory for temporary files."""
    transfer = site.services.transfer
    what = "staging_dir %s" % transfer.staging_dir
    if not os.access(transfer.staging_dir, os.W_OK | os.X_OK):
        yield Finding(WRONG, what, "it cannot be written to by this user",
                      "chown it to the user nova-compute runs as, or set [swift_vhd] staging_dir")
        return
    free = shutil.disk_usage(transfer.staging_dir).free
    if free < transfer.staging_limit:
        yield Finding(WARNING, what, "%d GiB are free, and one image may take %d" % (
            free >> 30, transfer.staging_limit >> 30),
            "set [swift_vhd] staging_limit = %d, or staging_dir to a larger one" % (free >> 30))
    else:
        yield Finding(OK, what, "%d GiB are free" % (free >> 30))


def _readable(conf: cfg.ConfigOpts, what: str,
              read: Callable[[cfg.ConfigOpts], Any]) -> Finding:
    try:
        read(conf)
    except exceptions.ConfigError as error:
        text = str(error).partition(": ")[2] or str(error)
        found, _stop, mend = text.partition(". ")
        return Finding(WRONG, what, found, mend)
    return Finding(OK, what, "they can be used")


def _set_in(names: List[str]) -> Set[str]:
    found: Set[str] = set()
    for name in names:
        sections: Dict[str, Dict[str, Any]] = {}
        try:
            cfg.ConfigParser(name, sections).parse()
        except OSError:
            continue  # gone since it was read
        found.update(each.replace("-", "_") for each in sections.get(base.GROUP, {}))
    return found

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

"""The XAPI host: its login, the room on its SRs, and the depth of their chains."""

from __future__ import annotations

from typing import Dict, Iterator, List

from nova_swift_handler import exceptions
from nova_swift_handler.doctor.check import NOT_CHECKED, OK, WARNING, WRONG, Finding
from nova_swift_handler.doctor.site import Site
from nova_swift_handler.xapi import collectable, repository, tree
from nova_swift_handler.xapi.repository import Repository

_GIB = 1024 ** 3
_LITTLE, _NOTHING = 0.1, 0.01
"""Shares of an SR that may be free."""
_NAMED = 3


def login(site: Site) -> Iterator[Finding]:
    """Log in to XAPI."""
    what = "login to XAPI"
    try:
        version = site.xapi.call(
            "host.get_software_version",
            site.xapi.call("session.get_this_host", site.xapi.credentials()[0]))
    except exceptions.ConfigError as error:
        yield Finding(NOT_CHECKED, what, str(error))
    except exceptions.XapiError as error:
        yield Finding(WRONG, what, str(error), "correct connection_url, connection_username and "
                      "connection_password in [xenserver], and xapi_cafile in [swift_vhd]")
    else:
        yield Finding(OK, what, "%s %s at %s" % (
            version.get("product_brand", "XAPI"), version.get("product_version", ""),
            site.xapi.endpoint))


def default_sr(site: Site) -> Iterator[Finding]:
    """Look for the SR that Nova uses unless told otherwise."""
    what = "the pool's default SR"
    try:
        found = repository.read(site.xapi, repository.find(site.xapi))
    except exceptions.XapiError as error:
        if error.code:
            raise
        yield Finding(WARNING, what, "the pool has none: Nova needs [xenserver] "
                      "sr_matching_filter then", "xe pool-param-set uuid=POOL default-SR=SR")
        return
    if found.layout is None:
        yield Finding(WRONG, what, "%s keeps no VHDs" % found,
                      "xe pool-param-set uuid=POOL default-SR=SR, with one of type ext, nfs or "
                      "lvm")
    else:
        yield Finding(OK, what, str(found))


def room(site: Site) -> Iterator[Finding]:
    """Look at the room on each SR that holds VHDs, and whether it is tidied up."""
    found = repository.every(site.xapi)
    for where in found:
        yield judge(repository.measure(site.xapi, where.ref))
        off = collectable.switched_off(where)
        if off:
            text, _stop, mend = off.partition("; ")
            yield Finding(WARNING, "collector of %s" % where, text, mend)
    if not found:
        yield Finding(WRONG, "SRs", "the host has none that holds VHDs",
                      "xe sr-create type=ext ...")


def judge(where: Repository) -> Finding:
    """Return what there is to say of an SR's room."""
    what, share = "room on %s" % where, where.free / max(where.physical_size, 1)
    text = "%.1f of %.1f GiB are free" % (where.free / _GIB, where.physical_size / _GIB)
    mend = "free or add space: swift-vhd sr show %s; swift-vhd sr coalesce" % where.uuid
    if share < _NOTHING:
        return Finding(WRONG, what, text, mend)
    return Finding(WARNING if share < _LITTLE else OK, what, text,
                   mend if share < _LITTLE else "")


def chains(site: Site) -> Iterator[Finding]:
    """Look how deep the chains of VHDs are."""
    warn = site.xapi.settings.chain_depth_warning
    for where in repository.every(site.xapi):
        forest = tree.read(site.xapi, where.ref)
        depths = {uuid: forest.depth(uuid) for uuid, vdi in forest.vdis.items() if vdi.managed}
        yield judge_depths("chains on %s" % where, depths, warn)


def judge_depths(what: str, depths: Dict[str, int], warn: int) -> Finding:
    """Return what there is to say of chains.

    :param depths: of each disk and snapshot, by uuid.
    :param warn: depth from which on it is said.
    """
    deepest = max(depths.values(), default=0)
    deep: List[str] = sorted((uuid for uuid in depths if depths[uuid] >= warn),
                             key=lambda uuid: -depths[uuid])
    if not deep:
        return Finding(OK, what, "the deepest has %d VHDs" % deepest)
    named = ", ".join("%s (%d)" % (uuid, depths[uuid]) for uuid in deep[:_NAMED])
    return Finding(
        WRONG if deepest >= tree.MAX_DEPTH else WARNING, what,
        "%d disks have chains of %d VHDs or more, and one of %d cannot be snapshotted: %s" % (
            len(deep), warn, tree.MAX_DEPTH, named), "swift-vhd sr coalesce --wait")

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

"""Swift: rights, containers and who else may enter them, abilities, keys, and its expirer."""

from __future__ import annotations

import calendar
import itertools
import time
from typing import Dict, Iterator, List, Set, Tuple

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import containers, names
from nova_swift_handler.doctor.check import NOT_CHECKED, OK, WARNING, WRONG, Finding
from nova_swift_handler.doctor.site import Site
from nova_swift_handler.store import presence, probe

SETUP = "swift-vhd setup"
_KEY = "x-account-meta-temp-url-key"
_READ, _WRITE = "x-container-read", "x-container-write"
_NAMED = 3
_LOOKED_AT = 200
"""Objects that are asked for at most, to find some that are overdue."""
_LATE = 3600.0
"""Seconds from when an object was stored until it is looked for."""


def account(site: Site) -> Iterator[Finding]:
    """Look whether the service account owns its account in Swift."""
    what = "the service account's rights"
    site.session  # noqa: B018  (raises; Keystone is looked at elsewhere)
    try:
        url = site.account.url
    except exceptions.StoreAuthFailed as error:
        yield Finding(WRONG, what, str(error), (
            "openstack role add --user %s --project %s ROLE, with one of the operator_roles of "
            "Swift's proxy-server.conf" % (site.access.user_id, site.access.project_id)))
    except exceptions.StoreError as error:
        yield Finding(WRONG, what, str(error), "see whether Swift's proxy is up, and region_name "
                      "and valid_interfaces in [swift_vhd]")
    else:
        yield Finding(OK, what, "it owns %s" % url)


def abilities(site: Site) -> Iterator[Finding]:
    """Try what static large objects can do."""
    what = "static large objects"
    if not presence.container_exists(site.account, site.containers.index):
        yield Finding(NOT_CHECKED, what, "container %s is not there to try it in"
                      % site.containers.index, SETUP)
        return
    try:
        found = probe.probe(site.account, site.containers.index)
    except exceptions.AbilityMissing as error:
        yield Finding(WRONG, what, str(error), "add slo to the pipeline in proxy-server.conf")
        return
    if found.shares_blocks:
        yield Finding(OK, what, "ranges, inline data and nesting work, %d entries a manifest"
                      % found.max_entries)
    else:
        yield Finding(WARNING, what, "they have no %s: points are stitched of whole segments, and "
                      "deleting one rewrites its child" % " and no ".join(
                          name for name, there in (("ranges", found.ranges), (
                              "inline data", found.inline_data), ("nesting", found.nested))
                          if not there), "nothing, if the cluster is Ceph's gateway")
    if site.account.head_account().get(_KEY):
        yield (Finding(OK, "TempURLs", "they work, signed by %s" % found.tempurl_digest)
               if found.tempurl else Finding(
                   WRONG, "TempURLs", "the account has a key, and Swift accepts none: addresses "
                   "of exports will not work", "add tempurl before authtoken to the pipeline in "
                   "proxy-server.conf"))


def tempurl_key(site: Site) -> Iterator[Finding]:
    """Look for the key of TempURLs."""
    what = "key for TempURLs"
    if site.account.head_account().get(_KEY):
        yield Finding(OK, what, "the account has one")
    else:
        yield Finding(WRONG, what, "the account has none: no addresses can be given away", SETUP)


def fixed(site: Site) -> Iterator[Finding]:
    """Look at the containers that every installation has, and at who may enter them."""
    acl = site.store_acl
    for want in containers.wanted(site.containers, acl):
        what = "container %s" % want.name
        try:
            there = site.account.head_container(want.name)
        except exceptions.ObjectMissing:
            yield Finding(WRONG, what, "it is not there", SETUP)
            continue
        problem, serious = _rights(there, want.read, want.write)
        if problem:
            yield Finding(WRONG if serious else WARNING, what, problem, _mend(want))
        else:
            yield Finding(OK, what, "there, with the right readers and writers")


def volumes(site: Site) -> Iterator[Finding]:
    """Look at who may enter the containers of volumes."""
    what = "containers of volumes"
    bad: Dict[str, List[str]] = {}
    count, worst = 0, OK
    for name in site.volumes():
        try:
            there = site.account.head_container(name)
        except exceptions.ObjectMissing:
            continue
        count += 1
        problem, serious = _rights(there, site.store_acl, "")
        if problem:
            bad.setdefault(problem, []).append(name)
            worst = WRONG if serious else worst if worst == WRONG else WARNING
    for problem, named in sorted(bad.items()):
        yield Finding(worst, what, "%d of %d: %s (%s)" % (
            len(named), count, problem, _some(named)), SETUP)
    if not bad:
        yield Finding(OK, what, "%d, each for Glance's Swift user to read and nobody to write"
                      % count)


def expirer(site: Site) -> Iterator[Finding]:
    """Look for objects that are still listed though their time has long come."""
    what = "object expirer"
    try:
        now = calendar.timegm(site.account.clock(site.containers.index).timetuple())
    except exceptions.ObjectMissing:
        yield Finding(NOT_CHECKED, what, "container %s is not there" % site.containers.index,
                      SETUP)
        return
    looked, overdue = 0, []
    for container, name in itertools.islice(_expiring(site, now), _LOOKED_AT):
        looked += 1
        if not presence.exists(site.account, container, name):
            overdue.append("%s/%s" % (container, name))
    if overdue:
        yield Finding(
            WARNING, what, "%d of %d objects looked at have come to their end and are still "
            "listed (%s)" % (len(overdue), looked, _some(overdue)),
            "look again in an hour; if they are there still, start swift-object-expirer on "
            "Swift's storage nodes, and look at swift-container-updater")
    else:
        yield Finding(OK, what, "nothing overdue among %d objects" % looked)


def _expiring(site: Site, now: float) -> Iterator[Tuple[str, str]]:
    """Yield what may have been given an end: announcements first, then data."""
    places = [*site.volumes(), site.containers.templates, site.containers.isos]
    for prefix in (names.INTENTS, names.DATA, names.REGIONS):
        for container in places:
            try:
                rows = site.account.listing(container, prefix)
                for row in itertools.islice(rows, _LOOKED_AT):
                    if now - _age(row["last_modified"]) >= _LATE:
                        yield container, row["name"]
            except exceptions.ObjectMissing:
                continue


def _age(stamp: str) -> float:
    return calendar.timegm(time.strptime(stamp.partition(".")[0], "%Y-%m-%dT%H:%M:%S"))


def _rights(there: Dict[str, str], read: str, write: str) -> Tuple[str, bool]:
    """Return what is wrong with a container's ACLs, and whether it lets somebody in."""
    readers, writers = _elements(there.get(_READ, "")), _elements(there.get(_WRITE, ""))
    foreign = sorted(writers - _elements(write))
    if foreign:
        return "others may write and delete in it: %s" % ", ".join(foreign), True
    foreign = sorted(readers - _elements(read))
    if foreign:
        return "others may read it: %s" % ", ".join(foreign), True
    if _elements(read) - readers or _elements(write) - writers:
        return "Glance's Swift user lacks its rights, so Glance cannot read images in place", True
    return "", False


def _elements(acl: str) -> Set[str]:
    return {each.strip() for each in acl.split(",") if each.strip()}


def _mend(want: containers.Wanted) -> str:
    return "%s, or swift post -r '%s' -w '%s' %s" % (
        SETUP, want.read, want.write, want.name)


def _some(values: List[str]) -> str:
    return ", ".join(values[:_NAMED]) + (", ..." if len(values) > _NAMED else "")

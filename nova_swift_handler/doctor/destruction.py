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

"""Whether Glance's Swift user could destroy what images share.

With an owner's rights, deleting one image in Glance deletes every segment that its manifest leads
to, shared or not.  So it is tried, with that user's own credential, on objects made for it.
"""

from __future__ import annotations

from typing import Iterator, List

from nova_swift_handler.doctor.check import NOT_CHECKED, OK, WARNING, WRONG, Finding
from nova_swift_handler.doctor.site import Site
from nova_swift_handler.doctor.swift import SETUP
from nova_swift_handler.doctor.throwaway import PREFIX, ThrowAway
from nova_swift_handler.store import presence

_USER = "what Glance's Swift user could destroy"
_ALLOWED = range(200, 300)


def tried(site: Site) -> Iterator[Finding]:
    """Try to delete, overwrite and take over, in every place that matters."""
    missing = [name for name in (site.containers.index, site.containers.images,
                                 site.containers.templates, site.containers.isos)
               if not presence.container_exists(site.account, name)]
    if missing:
        yield Finding(NOT_CHECKED, _USER, "container %s is not there" % missing[0], SETUP)
        return
    with ThrowAway(site) as made:
        damage = [*_owns(made), *_objects(site, made), *_segments(site, made), *_container(made)]
        uses = _lacks(site, made)
    if damage:
        yield Finding(
            WRONG, _USER, "%s: deleting one image in Glance can destroy others" % "; ".join(
                damage), _mend(site))
    else:
        yield Finding(OK, _USER, "nothing but what lies in %s: all else that was tried was "
                      "refused" % site.containers.images)
    if uses:
        yield Finding(WARNING, "what Glance's Swift user lacks", uses, SETUP)


def _owns(made: ThrowAway) -> List[str]:
    """The account as a whole: nobody but an owner may look at it."""
    if made.as_store_user("HEAD", "") in _ALLOWED:
        return ["it owns the whole account"]
    return []


def _objects(site: Site, made: ThrowAway) -> List[str]:
    """Plain objects, in a container of each kind."""
    found = []
    for container in (made.container, site.containers.index, site.containers.templates,
                      site.containers.isos, *site.volumes()[:1]):
        name = PREFIX + made.name
        before = made.put(container, name)
        if (made.as_store_user("PUT", "%s/%s" % (container, name), data=b"other") in _ALLOWED
                or site.account.head(container, name) != before):
            found.append("it overwrites objects in %s" % container)
        made.as_store_user("DELETE", "%s/%s" % (container, name))
        if not made.is_there(container, name):
            found.append("it deletes objects in %s" % container)
    return found


def _segments(site: Site, made: ThrowAway) -> List[str]:
    """What Glance's store does to a stitched object: delete it and all that it leads to."""
    segment, view = "data/segment", "points/disk.vhd"
    part = made.put(made.container, segment)
    whole = made.stitch(made.container, view, (made.container, segment), part)
    entry = PREFIX + made.name
    made.stitch(site.containers.images, entry, (made.container, view), whole)
    made.as_store_user("DELETE", "%s/%s?multipart-manifest=delete" % (
        site.containers.images, entry), headers={"Accept": "application/json"})
    gone = [name for name in (segment, view) if not made.is_there(made.container, name)]
    return ["it deletes the segments of stitched objects"] if gone else []


def _container(made: ThrowAway) -> List[str]:
    if made.as_store_user("POST", made.container,
                          headers={"X-Container-Meta-Doctor": "tried"}) in _ALLOWED:
        return ["it changes the rights of containers"]
    return []


def _lacks(site: Site, made: ThrowAway) -> str:
    """What Glance does with that user's rights where it may."""
    name = "%s/%s" % (site.containers.images, PREFIX + made.name + "-own")
    made.note(*name.split("/", 1))
    if made.as_store_user("PUT", name, data=b"own") not in _ALLOWED:
        return ("it cannot write %s: images that Glance stores itself fail, and entries stay "
                "when images are deleted" % site.containers.images)
    if made.as_store_user("DELETE", name) not in _ALLOWED:
        return "it cannot delete what it wrote in %s" % site.containers.images
    return ""


def _mend(site: Site) -> str:
    user = site.store_session.get_user_id()
    project = site.store_session.get_project_id()
    return ("openstack role list --user %s --project %s; openstack role remove --user %s "
            "--project %s ROLE for each of Swift's operator_roles; %s" % (
                user, project, user, project, SETUP))

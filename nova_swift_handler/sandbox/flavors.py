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

"""The flavors that a region's Nova offers."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple

from keystoneauth1 import adapter

from nova_swift_handler.sandbox import identity, keystone


class Flavor(NamedTuple):
    """What a server gets: MiB of memory, CPUs, GiB of root disk."""

    name: str
    ram: int
    vcpus: int
    disk: int


# Nova grows a root disk to the flavor's size and refuses an image that is larger.
FLAVORS = [Flavor(f"disk-{gib}g", 256, 1, gib) for gib in (1, 2, 4, 8, 16, 32)]


def ensure(keystone_url: str, region: str) -> List[Dict[str, Any]]:
    """Make the flavors that are missing; return all with their ids, equal in every region."""
    compute = adapter.Adapter(
        keystone.user_session(keystone_url, identity.ADMIN_USER), service_type="compute",
        region_name=region)
    present = {each["name"] for each in compute.get("/flavors").json()["flavors"]}
    for flavor in FLAVORS:
        if flavor.name not in present:
            compute.post("/flavors", json={"flavor": {"id": flavor.name, **flavor._asdict()}})
    return [{"id": flavor.name, **flavor._asdict()} for flavor in FLAVORS]

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

"""How stored disks become images in Glance."""

from __future__ import annotations

from oslo_config import cfg

OPTS = [
    cfg.ListOpt(
        "glance_api_servers",
        default=[],
        help="""
Glance endpoints, for example ``http://controller:9292``, tried in order.

When empty, ``[glance] api_servers`` or ``[glance] endpoint_override`` of the same file is used,
else what the service catalog says.
""",
    ),
    cfg.StrOpt(
        "glance_registration",
        default="auto",
        choices=[
            ("auto", "location where Glance and the options below allow it, else upload."),
            ("location", "Glance is told where in Swift the disk already is; nothing is copied."),
            ("upload", "Glance gets a copy of the disk, as an ovf archive that hosts with stock "
             "handlers can boot too. Costs the space and the time of a full copy."),
        ],
        help="""
How a stored disk becomes an active image.

``location`` needs a Glance with the newer locations API (2024.1 or later), a Swift store in
glance-api.conf, and the three ``glance_store_*`` options below. Which way was taken is logged
with every snapshot.
""",
    ),
    cfg.StrOpt(
        "glance_store_auth_address",
        help="""
Keystone address that Glance's Swift store uses.

Exactly the value of ``auth_address`` (or ``swift_store_auth_address``) in glance-api.conf, for
example ``http://controller:5000/v3``. Needed for registration by ``location``.
""",
    ),
    cfg.StrOpt(
        "glance_store_user",
        help="""
Swift user of Glance's Swift store, as ``project:user``.

Exactly the value of ``user`` (or ``swift_store_user``) in glance-api.conf. This user should be
allowed to write the container ``<container_prefix>-images`` and to read the others, and nothing
more: ``swift-vhd setup`` grants that. Needed for registration by ``location``.
""",
    ),
    cfg.StrOpt(
        "glance_store_key",
        secret=True,
        help="""
Password of ``glance_store_user``.

Exactly the value of ``key`` (or ``swift_store_key``) in glance-api.conf. Glance keeps it in its
database as part of an image's location; users never see it. Needed for registration by
``location``.
""",
    ),
    cfg.StrOpt(
        "glance_store_user_domain_id",
        default="default",
        help="""
Keystone domain of ``glance_store_user``.

Exactly the value of ``user_domain_id`` (or ``swift_store_user_domain_id``) of Glance's store.
""",
    ),
    cfg.StrOpt(
        "glance_store_project_domain_id",
        default="default",
        help="""
Keystone domain of that user's project.

Exactly the value of ``project_domain_id`` (or ``swift_store_project_domain_id``) of Glance's
store.
""",
    ),
    cfg.StrOpt(
        "glance_store_acl",
        help="""
Who, besides this service's own account, may read the containers with disks.

An element of a Swift read ACL that covers Glance's Swift user:
``<project id>:<user id>`` or the name of a role that only this user has. Without it an image
registered by ``location`` cannot be downloaded from Glance.
""",
    ),
]

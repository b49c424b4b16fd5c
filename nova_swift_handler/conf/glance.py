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
            ("auto", "The first of these that is safe: location; http, if "
             "glance_internal_api_servers is set; upload."),
            ("location", "Glance is told where in Swift the disk already is; nothing is copied."),
            ("http", "Glance is given a TempURL of the one image; nothing is copied, but the "
             "address has to be renewed before it expires."),
            ("upload", "Glance gets a copy of the disk, as an ovf archive that hosts with stock "
             "handlers can boot too. Costs the space and the time of a full copy."),
        ],
        help="""
How a stored disk becomes an active image.

``location`` needs a Glance with the newer locations API (2024.1 or later), a Swift store in
glance-api.conf, and the three ``glance_store_*`` options below. It is refused where users could
see the location, which has the Swift key in it. ``http`` needs a Glance with a store of the type
http whose ``[import_filtering_opts]`` allow Swift's host and port, and either the newer locations
API or ``show_multiple_locations = true``. Which way was taken, and what it costs, is logged with
every image.
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
    cfg.IntOpt(
        "glance_tempurl_lifetime",
        default=365,
        min=1,
        help="""
Days for which Glance is given a TempURL, when images are registered by ``http``.

After that Glance cannot read the image, and nobody can boot it: ``swift-vhd image relocate --all``
from a timer renews addresses in time.
""",
    ),
    cfg.ListOpt(
        "glance_internal_api_servers",
        default=[],
        help="""
Endpoints of a glance-api that shows and takes locations, for ``swift-vhd image relocate`` alone.

It is one more glance-api on the same database, which nobody but the operator can reach, with
``show_multiple_locations = true``, ``show_image_direct_url = false`` and
``delayed_delete = true``; the last so that it deletes nothing in Swift when a location is
replaced. All other glance-api keep ``show_multiple_locations = false``.
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

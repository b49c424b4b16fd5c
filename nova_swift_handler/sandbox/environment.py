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

"""What an outside client needs to know of a running sandbox: ``sandbox env``."""

from __future__ import annotations

from typing import Any, Dict, List

from nova_swift_handler.sandbox import glance, identity, keystone, storage, swift
from nova_swift_handler.sandbox.layout import Layout
from nova_swift_handler.sandbox.plan import Plan

Document = Dict[str, Any]


def describe(layout: Layout, plan: Plan, regions: List[Document],
             flavors: List[Document]) -> Document:
    """Return every endpoint, user and host of the sandbox; Keystone must be running."""
    registrar = keystone.Registrar(plan.keystone_url)
    projects, users = registrar.project_ids(), registrar.user_ids()
    return {
        "root": str(layout.root),
        "keystone_url": plan.keystone_url,
        "swift_url": plan.swift_url,
        "glance_url": plan.glance_url,
        "domain_id": identity.DOMAIN_ID,
        "container_prefix": plan.container_prefix,
        "images_container": plan.images_container,
        "images_account_url":
            f"{plan.swift_url}/AUTH_{projects[identity.IMAGES_PROJECT]}",
        "config_file": storage.config_file(layout),
        "tempurl_key": storage.TEMPURL_KEY,
        "storage_policies": swift.STORAGE_POLICIES,
        "slo": plan.slo,
        "service_user": identity.HANDLER_USER.name,
        "glance_store_user": glance.store_user(),
        "glance_store_key": identity.GLANCE_STORE_USER.password,
        "glance_store_auth_address": plan.keystone_url,
        "glance_store_acl": f"{projects[identity.IMAGES_PROJECT]}:"
                            f"{users[identity.GLANCE_STORE_USER.name]}",
        "users": {user.name: {
            "name": user.name, "id": users[user.name], "password": user.password,
            "project": user.project, "project_id": projects[user.project],
            "roles": list(user.roles)} for user in identity.USERS},
        "regions": regions,
        "flavors": flavors,
    }

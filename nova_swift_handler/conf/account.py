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

"""From the options of [swift_vhd] to the service account's credentials."""

from __future__ import annotations

from typing import Any, Dict

from keystoneauth1 import exceptions as ks_exceptions
from keystoneauth1 import loading
from oslo_config import cfg

from nova_swift_handler import credentials
from nova_swift_handler.conf import base, problem

# What the plugins that log in with a password need, though their loaders do not insist on it.
# Each entry: names of which one must be set, and an example for the first.
_PASSWORD_NEEDS = (
    (("username", "user_id"), "swift_vhd"),
    (("password",), "the password of that user"),
    (("project_name", "project_id"), "service"),
)
INTERFACES = ("internal", "public")
_TIMEOUT = 60.0
"""Seconds; keystoneauth itself would wait for ever."""
_PASSWORD_TYPES = ("password", "v3password")


def load(conf: cfg.ConfigOpts) -> credentials.Credentials:
    """Return the service account's credentials.

    :raises ConfigError: an option is missing or the authentication type is unknown.
    """
    own = conf[base.GROUP]
    section = own.auth_section or base.GROUP
    auth_type = _auth_type(conf, section)
    options = _plugin_options(conf, section, auth_type)
    if auth_type in _PASSWORD_TYPES:
        for names, example in _PASSWORD_NEEDS:
            if not any(options.get(name) for name in names):
                raise problem.missing(section, names[0], example)
    return credentials.Credentials(
        auth_type=auth_type,
        options=options,
        cafile=own.cafile,
        certfile=own.certfile,
        keyfile=own.keyfile,
        insecure=own.insecure,
        timeout=float(own.timeout or _TIMEOUT),
        region_name=own.region_name,
        interface=tuple(own.valid_interfaces or INTERFACES),
        endpoint_override=own.endpoint_override,
    )


def _auth_type(conf: cfg.ConfigOpts, section: str) -> str:
    loading.register_auth_conf_options(conf, base.GROUP)  # knows auth_section
    name = conf[section].auth_type
    if not name:
        raise problem.missing(section, "auth_type", "password")
    return str(name)


def _plugin_options(conf: cfg.ConfigOpts, section: str, auth_type: str) -> Dict[str, Any]:
    try:
        loader: Any = loading.get_plugin_loader(auth_type)
    except ks_exceptions.NoMatchingPlugin as exc:
        raise problem.wrong(
            section, "auth_type", auth_type, "keystoneauth has no such plugin",
            "password") from exc
    options = {}
    for opt in loader.get_options():
        # keystoneauth's own way; registering twice is harmless.
        conf.register_opt(opt._to_oslo_opt(), group=section)
        value = conf[section][opt.dest]
        if value is None:
            value = opt.default
        if value is None and opt.required:
            raise problem.missing(section, opt.dest, _example(opt.dest))
        if value is not None:
            options[opt.dest] = value
    return options


def _example(name: str) -> str:
    return "http://controller:5000/v3" if name == "auth_url" else "..."

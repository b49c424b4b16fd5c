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

"""From oslo.config's CONF to the plain values that the rest of the package works with.

Only the edge reads CONF: the handler, the plugin and the command line call these functions and
pass on what they return.  Each raises ``ConfigError`` for an option that is missing or wrong,
naming the option, its section and a line that would do.
"""

from __future__ import annotations

import os

from oslo_config import cfg

from nova_swift_handler import credentials as _credentials
from nova_swift_handler import settings as _settings
from nova_swift_handler.conf import account, base, nova, opts, problem
from nova_swift_handler.exceptions import ConfigError
from nova_swift_handler.glance.settings import LOCATION, GlanceSettings
from nova_swift_handler.xapi import endpoint as xapi_endpoint
from nova_swift_handler.xapi.settings import XapiSettings

_MIB = 1024 ** 2
_GIB = 1024 ** 3
_DAY = 24 * 3600
_STAGING_DIR = "/var/tmp"  # noqa: S108  (kept on disk; /tmp is often a small memory disk)


def credentials(conf: cfg.ConfigOpts) -> _credentials.Credentials:
    """Return the service account's credentials."""
    opts.register(conf)
    return account.load(conf)


def store(conf: cfg.ConfigOpts) -> _settings.StoreSettings:
    """Return where in Swift disks are kept."""
    opts.register(conf)
    own = _values(conf)
    return _settings.StoreSettings(
        container_prefix=own.container_prefix,
        storage_policy=own.storage_policy or None,
        segment_size=own.segment_size * _MIB,
        reader_acl=own.glance_store_acl or None,
        sweep_grace=own.sweep_grace * _DAY,
    )


def transfer(conf: cfg.ConfigOpts) -> _settings.TransferSettings:
    """Return how disks are moved."""
    opts.register(conf)
    own = _values(conf)
    staging_dir = own.staging_dir or os.environ.get("TMPDIR") or _STAGING_DIR
    if not os.path.isdir(staging_dir):
        raise problem.wrong(base.GROUP, "staging_dir", staging_dir, "there is no such directory",
                            _STAGING_DIR)
    return _settings.TransferSettings(
        max_concurrent=own.max_concurrent_transfers,
        upload_threads=own.upload_threads,
        download_threads=own.download_threads,
        idle_timeout=float(own.transfer_idle_timeout),
        timeout=float(own.transfer_timeout) or None,
        staging_dir=staging_dir,
        staging_limit=own.staging_limit * _GIB,
    )


def monitor(conf: cfg.ConfigOpts) -> _settings.MonitorSettings:
    """Return what monitoring is told."""
    opts.register(conf)
    own = _values(conf)
    return _settings.MonitorSettings(
        notify=own.notify_transfers, notify_interval=float(own.notify_progress_interval),
        metrics_directory=own.metrics_directory)


def xapi(conf: cfg.ConfigOpts) -> XapiSettings:
    """Return how the host's XAPI is reached: Nova's [xenserver] connection_* and ours."""
    opts.register(conf)
    own = _values(conf)
    host = conf[nova.XENSERVER]
    for name, example in (("connection_url", "https://192.0.2.10"),
                          ("connection_username", "root"),
                          ("connection_password", "the password of that user")):
        if not host[name]:
            raise problem.missing(nova.XENSERVER, name, example)
    try:
        xapi_endpoint.parse(host.connection_url)
    except ConfigError as error:
        raise problem.wrong(nova.XENSERVER, "connection_url", host.connection_url,
                            "disks can be transferred over http and https only",
                            "https://192.0.2.10") from error
    if own.xapi_cafile and not os.path.isfile(own.xapi_cafile):
        raise problem.wrong(base.GROUP, "xapi_cafile", own.xapi_cafile, "there is no such file",
                            "/etc/ssl/certs/ca-certificates.crt")
    return XapiSettings(
        url=host.connection_url,
        username=host.connection_username,
        password=host.connection_password,
        verify=own.xapi_verify,
        cafile=own.xapi_cafile or None,
        connect_timeout=float(own.xapi_connect_timeout),
        read_timeout=float(own.xapi_read_timeout),
        idle_timeout=float(own.transfer_idle_timeout),
        finish_timeout=float(own.xapi_finish_timeout),
        chain_depth_warning=own.chain_depth_warning,
    )


def glance(conf: cfg.ConfigOpts) -> GlanceSettings:
    """Return how Glance is reached and how images are registered."""
    opts.register(conf)
    own = _values(conf)
    store_options = {"glance_store_auth_address": "http://controller:5000/v3",
                     "glance_store_user": "service:glance-swift",
                     "glance_store_key": "the password of that user"}
    is_set = [name for name in store_options if own[name]]
    for name, example in store_options.items():
        if name not in is_set and (is_set or own.glance_registration == LOCATION):
            raise problem.missing(base.GROUP, name, example)
    project, _colon, user = (own.glance_store_user or "").partition(":")
    if own.glance_store_user and not (project and user):
        raise problem.wrong(base.GROUP, "glance_store_user", own.glance_store_user,
                            "it must be a project's name, a colon and a user's name",
                            store_options["glance_store_user"])
    theirs = conf[nova.GLANCE]
    endpoints = (own.glance_api_servers or theirs.api_servers
                 or [theirs.endpoint_override or ""])
    return GlanceSettings(
        endpoints=tuple(endpoint for endpoint in endpoints if endpoint),
        registration=own.glance_registration,
        store_auth_address=own.glance_store_auth_address or None,
        store_user=own.glance_store_user or None,
        store_key=own.glance_store_key or None,
        store_user_domain_id=own.glance_store_user_domain_id,
        store_project_domain_id=own.glance_store_project_domain_id,
        images_container=f"{own.container_prefix}-images",
        verify=not own.insecure,
        cafile=own.cafile or None,
        region_name=own.region_name or None,
        interface=tuple(own.valid_interfaces or account.INTERFACES),
        idle_timeout=float(own.transfer_idle_timeout),
        internal_endpoints=tuple(own.glance_internal_api_servers),
        tempurl_lifetime=own.glance_tempurl_lifetime * _DAY,
    )


def _values(conf: cfg.ConfigOpts) -> cfg.ConfigOpts.GroupAttr:
    """Return our section after checking every option that has a limited range of values."""
    own = conf[base.GROUP]
    for name in own:
        try:
            own[name]
        except (cfg.ConfigFileValueError, ValueError) as exc:
            raise problem.unreadable(base.GROUP, name, str(exc)) from exc
    return own

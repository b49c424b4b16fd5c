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

"""What the commands share: the configuration, made into plain values when first asked for."""

from __future__ import annotations

import argparse
from typing import Any, Iterable, Sequence

from cliff import command, lister, show
from keystoneauth1 import session as ks_session
from oslo_config import cfg

from nova_swift_handler import credentials, settings
from nova_swift_handler.cli import plain
from nova_swift_handler.conf import settings as from_conf
from nova_swift_handler.glance.settings import GlanceSettings
from nova_swift_handler.xapi.settings import XapiSettings


class Configured:
    """Mixed into a cliff command.  Each method raises ``ConfigError`` when an option is missing.

    A command that needs no configuration does not touch these, and works without any file.
    """

    app: Any

    @property
    def conf(self) -> cfg.ConfigOpts:
        """nova.conf, or the files named with --config-file."""
        return self.app.conf

    def credentials(self) -> credentials.Credentials:
        """Return the service account's credentials."""
        return from_conf.credentials(self.conf)

    def service_session(self) -> ks_session.Session:
        """Return a new keystoneauth session of the service account."""
        return self.credentials().session()

    def store_settings(self) -> settings.StoreSettings:
        """Return where in Swift disks are kept."""
        return from_conf.store(self.conf)

    def transfer_settings(self) -> settings.TransferSettings:
        """Return how disks are moved."""
        return from_conf.transfer(self.conf)

    def monitor_settings(self) -> settings.MonitorSettings:
        """Return what monitoring is told."""
        return from_conf.monitor(self.conf)

    def xapi_settings(self) -> XapiSettings:
        """Return how the host's XAPI is reached."""
        return from_conf.xapi(self.conf)

    def glance_settings(self) -> GlanceSettings:
        """Return how Glance is reached and images are registered."""
        return from_conf.glance(self.conf)


class Command(Configured, command.Command):
    """A command that returns nothing to format."""


class Lister(Configured, lister.Lister):
    """A command that lists; takes ``-f json`` and the like."""

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Sequence[str],
                       data: Iterable[Sequence[Any]]) -> int:
        """Print it; in a table, what others have written does nothing."""
        if parsed_args.formatter == "table":
            data = [tuple(plain.cell(value) for value in row) for row in data]
        return int(super().produce_output(parsed_args, column_names, data))


class ShowOne(Configured, show.ShowOne):
    """A command that shows one thing; takes ``-f json`` and the like."""

    def produce_output(self, parsed_args: argparse.Namespace, column_names: Sequence[str],
                       data: Sequence[Any]) -> int:
        """Print it; in a table or for a shell, what others have written does nothing."""
        if parsed_args.formatter == "table":
            column_names = [plain.cell(name) for name in column_names]
            data = [plain.cell(value) for value in data]
        elif parsed_args.formatter == "shell":
            column_names = [plain.variable(name) for name in column_names]
            data = [plain.assigned(value) for value in data]
        return int(super().produce_output(parsed_args, column_names, data))

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

"""Read nova.conf for the command line; Nova need not be installed."""

from __future__ import annotations

from typing import List, Sequence

from oslo_config import cfg

from nova_swift_handler import exceptions
from nova_swift_handler.conf import opts


def read(files: Sequence[str] = (), dirs: Sequence[str] = ()) -> cfg.ConfigOpts:
    """Return the configuration.

    A ConfigOpts of its own, so that it cannot clash with the one of a Nova in this process.

    :param files: configuration files, later ones win; without any and without *dirs*, the ones
        nova-compute would read: nova.conf and nova-compute.conf in ~/.nova, ~, /etc/nova, /etc.
    :param dirs: directories whose ``*.conf`` are read after the files.
    :raises ConfigError: a file is missing, unreadable or malformed.
    """
    args: List[str] = []
    for name in files:
        args += ["--config-file", name]
    for name in dirs:
        args += ["--config-dir", name]
    conf = cfg.ConfigOpts()
    try:
        conf(args, project="nova", prog="nova-compute",
             default_config_files=None if not args else [],
             default_config_dirs=None if not args else [])
        opts.register(conf)
    except cfg.ConfigFilesPermissionDeniedError as exc:
        raise exceptions.ConfigError(
            f"Reading the configuration: {exc}. Run this as root or as the user nova, or name a "
            f"readable file with --config-file.") from exc
    except cfg.ConfigFileParseError as exc:
        raise exceptions.ConfigError(
            f"Reading the configuration: {exc}. Mend that line.") from exc
    except (cfg.Error, OSError) as exc:
        raise exceptions.ConfigError(
            f"Reading the configuration: {exc}. Name nova-compute's configuration with "
            f"--config-file.") from exc
    return conf

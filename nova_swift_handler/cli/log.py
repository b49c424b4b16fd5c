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

"""Logging of the command line: to stderr, and to a file if asked.

The logging options of nova.conf are nova-compute's and are not used here.
"""

from __future__ import annotations

import logging
from typing import Optional

from oslo_config import cfg
from oslo_log import log

from nova_swift_handler.cli import plain

_PACKAGE = "nova_swift_handler"
_FORMAT = "%(levelname)s %(message)s"

QUIET, NORMAL, VERBOSE = 0, 1, 2


def setup(verbosity: int, log_file: Optional[str] = None) -> None:
    """Set logging up.

    :param verbosity: QUIET shows warnings; NORMAL also what this program does, step by step;
        VERBOSE everything, other libraries' messages included.
    :param log_file: file to append to, besides stderr.
    """
    conf = cfg.ConfigOpts()
    log.register_options(conf)
    conf([], project="swift-vhd", default_config_files=[], default_config_dirs=[])
    conf.set_override("use_stderr", True)
    conf.set_override("log_file", log_file)
    conf.set_override("debug", verbosity >= VERBOSE)
    log.setup(conf, "swift-vhd")
    if verbosity < VERBOSE:
        for handler in logging.getLogger().handlers:
            # oslo.log's own would append the error that is being handled, which messages of ours
            # tell themselves.
            handler.setFormatter(plain.Formatter(_FORMAT))
        logging.getLogger().setLevel(logging.WARNING)
        logging.getLogger(_PACKAGE).setLevel(
            logging.INFO if verbosity >= NORMAL else logging.WARNING)

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

"""What the exit codes of ``swift-vhd`` mean, for scripts.

=====  =========================================================================
code   meaning
=====  =========================================================================
0      done
1      an unexpected error: most likely a defect of this program
2      the command line is wrong
3      the configuration is missing something or wrong
4      XAPI could not be reached, or refused or failed what was asked
5      Swift or Keystone could not be reached, or refused or failed what was asked
6      Glance could not be reached, or refused or failed what was asked
7      the data is bad, or not of the kind that is wanted: it cannot be used
8      a transfer did not come to its end
9      another error that this program knows and explains
10     ``doctor`` found something wrong
11     what was named is not there, or not any more, whichever side should have it
130    interrupted from the keyboard
141    whoever read the output went away
143    told to end by SIGTERM
=====  =========================================================================
"""

from __future__ import annotations

import argparse

from nova_swift_handler import exceptions

UNEXPECTED = 1
USAGE = 2
GLANCE = 6
BAD_DATA = 7
KNOWN = 9
UNHEALTHY = 10
NOT_THERE = 11
INTERRUPTED = 130
BROKEN_PIPE = 141
TERMINATED = 143

# The first that fits counts.
_CODES = (
    (exceptions.NotThere, NOT_THERE),
    (exceptions.ConfigError, 3),
    (exceptions.ImageCorrupt, BAD_DATA),
    (exceptions.StoreCorrupt, BAD_DATA),
    (exceptions.XapiError, 4),
    (exceptions.StoreError, 5),
    (exceptions.GlanceError, GLANCE),
    (exceptions.VhdError, BAD_DATA),
    (exceptions.PointInvalid, BAD_DATA),
    (exceptions.CatalogueInvalid, BAD_DATA),
    (exceptions.ImageUnsupported, BAD_DATA),
    (exceptions.TransferFailed, 8),
    (exceptions.StagingFull, 8),
    (exceptions.SwiftVhdError, KNOWN),
    # Options that do not go together, which the parser itself cannot tell.
    (argparse.ArgumentTypeError, USAGE),
    # A file that somebody has named.
    (FileNotFoundError, NOT_THERE),
    (PermissionError, KNOWN),
    (IsADirectoryError, KNOWN),
    (NotADirectoryError, KNOWN),
    (KeyboardInterrupt, INTERRUPTED),
    (BrokenPipeError, BROKEN_PIPE),
)


def of(error: BaseException) -> int:
    """Return the exit code for *error*."""
    for kind, code in _CODES:
        if isinstance(error, kind):
            return code
    return UNEXPECTED

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

"""Arguments that name something."""

from __future__ import annotations

import argparse


def name(text: str) -> str:
    """Return *text*, the name or id of something.

    :raises ArgumentTypeError: it is empty, as is a variable of a script that nobody has set.  An
        option that narrows what a command does must not be taken for one that was left out.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError("an empty text names nothing")
    return text

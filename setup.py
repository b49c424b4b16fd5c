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

"""Builds with pbr; everything else is in setup.cfg."""

import os
import subprocess

import setuptools

# pbr takes the version from git or from an sdist's PKG-INFO.  A bare copy of the tree has neither,
# and would not build; it gets the version that setup.cfg announces.
FALLBACK_VERSION = "0.1.0"


def _has_version_source() -> bool:
    if os.path.exists("PKG-INFO"):
        return True
    try:
        return subprocess.call(
            ["git", "rev-parse", "--verify", "-q", "HEAD"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


if not _has_version_source():
    os.environ.setdefault("PBR_VERSION", FALLBACK_VERSION)

setuptools.setup(setup_requires=["pbr>=5.4.5"], pbr=True)

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

"""Upload a VHD file to Glance with its own client, as ``openstack image create`` does.

Takes a pickle of (credentials, Glance's address, name, path); prints the image's id.
"""

from __future__ import annotations

import pickle
import sys

import glanceclient


def main() -> None:
    """Do it."""
    credentials, url, name, path = pickle.load(sys.stdin.buffer)  # noqa: S301  (the bench's own)
    glance = glanceclient.Client("2", session=credentials.session(), endpoint_override=url)
    image = glance.images.create(name=name, disk_format="vhd", container_format="bare",
                                 visibility="public")
    with open(path, "rb") as file:
        glance.images.upload(image.id, file)
    sys.stdout.write(image.id + "\n")


if __name__ == "__main__":
    main()

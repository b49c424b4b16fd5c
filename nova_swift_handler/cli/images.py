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

"""What Glance says of many images, each asked for once and only when needed."""

from __future__ import annotations

import functools
import threading
from typing import Dict, Optional

from nova_swift_handler import exceptions
from nova_swift_handler.glance.image import Image
from nova_swift_handler.transfer.jobs import Services


class Images:
    """Glance as the service account sees it; may be shared by threads.

    :param asked: whether to ask at all; without, nothing is known of any image.
    :param many: whether most images will be asked for, so that Glance had better list all.
    """

    def __init__(self, services: Services, asked: bool, many: bool = False) -> None:
        self._images = services.images(None) if asked else None
        self._listed: Dict[str, Image] = {} if self._images is None or not many else {
            image.id: image for image in self._images.every()}
        self._lock = threading.Lock()
        self.get = functools.lru_cache(maxsize=None)(self._get)

    def _get(self, image_id: str) -> Optional[Image]:
        if self._images is None or image_id in self._listed:
            return self._listed.get(image_id)
        try:
            with self._lock:
                return self._images.get(image_id)
        except exceptions.ImageUnavailable:
            return None

    def active(self, image_id: str) -> bool:
        """Tell whether Glance has the image active."""
        image = self.get(image_id)
        return image is not None and image.status == "active"

    def in_place(self, image_id: str) -> bool:
        """Tell whether Glance has the image active and reads our disk for it.

        An image that was uploaded has another container format, and bytes of its own.
        """
        image = self.get(image_id)
        return image is not None and image.status == "active" and (
            image.disk_format, image.container_format) == ("vhd", "bare")

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

"""A key manager that finds certificates in a directory: Barbican's place in these tests.

castellan loads it by ``[key_manager] backend = tests.functional.tenancy.keys.Directory``; the
directory is that of the environment's ``TEST_CERTIFICATES``.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from castellan.common import exception
from castellan.common.objects import x_509
from castellan.key_manager import key_manager

DIRECTORY = "TEST_CERTIFICATES"


class Directory(key_manager.KeyManager):
    """Gives the file ``<id>.der`` for a certificate's id."""

    def __init__(self, configuration: Any) -> None:
        super().__init__(configuration)

    def get(self, context: Any, managed_object_id: str, metadata_only: bool = False) -> Any:
        """Return a certificate, to whoever has a token."""
        assert context.auth_token
        path = Path(os.environ[DIRECTORY]) / (managed_object_id + ".der")
        if not path.exists():
            raise exception.ManagedObjectNotFoundError(uuid=managed_object_id)
        return x_509.X509(path.read_bytes())

    def _refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise exception.KeyManagerError(reason="these tests only get certificates")

    create_key_pair = create_key = store = copy = delete = list = _refuse
    add_consumer = remove_consumer = _refuse

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

"""Where Keystone's API is."""

from __future__ import annotations

from keystoneauth1 import session as ks_session


def of(session: ks_session.Session) -> str:
    """Return the address of version 3 of the API of the Keystone that *session* logs in to.

    Many leave the version out of ``auth_url``.  keystoneauth then finds it for its logins, and
    for nothing else.
    """
    url = str(session.auth.auth_url).rstrip("/")  # type: ignore[union-attr]
    return url if url.endswith("/v3") else url + "/v3"

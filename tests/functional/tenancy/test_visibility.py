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

"""Who may boot which image follows Glance's visibility, though the bytes come from Swift."""

from __future__ import annotations

from typing import Any, Callable, Dict

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.transfer import process
from tests.functional.handler.bench import Bench, Host
from tests.functional.proxy import Proxy
from tests.functional.tenancy.conftest import Victim, booted

_PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}


def show_to(bench: Bench, image_id: str, visibility: str, user: str = "alice") -> None:
    bench.glance("PATCH", "/v2/images/" + image_id, user, headers=_PATCH, json=[
        {"op": "replace", "path": "/visibility", "value": visibility}])


def invite(bench: Bench, image_id: str) -> None:
    """Share an image with bob's project."""
    show_to(bench, image_id, "shared")
    bench.glance("POST", "/v2/images/%s/members" % image_id, json={
        "member": bench.env["users"]["bob"]["project_id"]})


def answer(bench: Bench, image_id: str, status: str) -> None:
    bench.glance("PUT", "/v2/images/%s/members/%s" % (
        image_id, bench.env["users"]["bob"]["project_id"]), "bob", json={"status": status})


def _private(_bench: Bench, _image: str) -> None:
    pass


def _shared_with_nobody(bench: Bench, image: str) -> None:
    show_to(bench, image, "shared")


def _invited(bench: Bench, image: str) -> None:
    invite(bench, image)


def _accepted(bench: Bench, image: str) -> None:
    invite(bench, image)
    answer(bench, image, "accepted")


def _rejected(bench: Bench, image: str) -> None:
    invite(bench, image)
    answer(bench, image, "rejected")


def _uninvited(bench: Bench, image: str) -> None:
    _accepted(bench, image)
    bench.glance("DELETE", "/v2/images/%s/members/%s" % (
        image, bench.env["users"]["bob"]["project_id"]))


def _community(bench: Bench, image: str) -> None:
    show_to(bench, image, "community")


def _public(bench: Bench, image: str) -> None:
    show_to(bench, image, "public", "admin")


def _private_again(bench: Bench, image: str) -> None:
    show_to(bench, image, "public", "admin")
    show_to(bench, image, "private", "admin")


def _deactivated(bench: Bench, image: str) -> None:
    show_to(bench, image, "public", "admin")
    bench.glance("POST", "/v2/images/%s/actions/deactivate" % image, "admin")


# Glance gives an image to a project it is shared with, whatever that has answered: the answer
# decides whether the image is in its list.
_CASES: Dict[str, Any] = {
    "private": (_private, False), "shared with nobody": (_shared_with_nobody, False),
    "invited": (_invited, True), "accepted": (_accepted, True), "rejected": (_rejected, True),
    "no longer a member": (_uninvited, False), "community": (_community, True),
    "public": (_public, True), "private again": (_private_again, False),
    "deactivated": (_deactivated, False),
}


@pytest.mark.parametrize("name", list(_CASES))
def test_another_project_boots_what_glance_gives_it(bench: Bench, ext: Host, victim: Victim,
                                                    name: str) -> None:
    change: Callable[[Bench, str], None] = _CASES[name][0]
    given: bool = _CASES[name][1]
    change(bench, victim.image_id)
    answered = bench.glance("GET", "/v2/images/%s/file" % victim.image_id, "bob",
                            raise_exc=False, stream=True)
    answered.close()
    assert (answered.status_code == 200) is given
    assert booted(bench, ext, victim.image_id) == (victim.sha256 if given else None)


def test_the_owner_of_a_deactivated_image_gets_no_disk_either(bench: Bench, ext: Host,
                                                             victim: Victim) -> None:
    _deactivated(bench, victim.image_id)
    assert booted(bench, ext, victim.image_id, "alice") is None


@pytest.mark.parametrize("name", ["private again", "deactivated"])
def test_what_is_taken_away_between_the_record_and_the_bytes_is_not_given(
        bench: Bench, ext: Host, victim: Victim, name: str) -> None:
    _public(bench, victim.image_id)
    with bench.nothing_left(ext), Proxy(bench.env["glance_url"]) as proxy:
        taken = proxy.when("^GET .*/file", lambda: _CASES[name][0](bench, victim.image_id))
        with pytest.raises(exceptions.ImageUnavailable):
            process.run(bench.boot_job(ext, victim.image_id, user=bench.token("bob"),
                                       glance=proxy.url))
    assert taken.hits == 1


def test_a_boot_that_has_begun_is_brought_to_its_end(bench: Bench, ext: Host,
                                                     victim: Victim) -> None:
    """As is a download from Glance."""
    _public(bench, victim.image_id)
    with Proxy(bench.env["images_account_url"]) as proxy:
        taken = proxy.when("^GET .*/point.json",
                           lambda: show_to(bench, victim.image_id, "private", "admin"))
        made = process.run(bench.boot_job(ext, victim.image_id, user=bench.token("bob"),
                                          swift=proxy.url))
    assert taken.hits == 1
    assert ext.control.guest_sha256(made["vdi_uuid"]) == victim.sha256
    assert booted(bench, ext, victim.image_id) is None

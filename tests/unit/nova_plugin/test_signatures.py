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

"""What Nova demands of an image before it may be booted, with Nova's own image service."""

from __future__ import annotations

import base64

import pytest

pytest.importorskip("nova.virt.xenapi")

from cryptography.hazmat.backends import default_backend
from cryptography.hazmat.primitives.asymmetric import rsa
from nova import exception as nova_exception
from nova import objects
from nova.image import glance as nova_glance

from nova_swift_handler.nova_plugin import signatures

PROPERTIES = {
    "img_signature": base64.b64encode(b"signature").decode("ascii"),
    "img_signature_hash_method": "SHA-256", "img_signature_key_type": "RSA-PSS",
    "img_signature_certificate_uuid": "certificate"}


@pytest.fixture
def image(monkeypatch):
    """The record that Glance gives; it is asked for once."""
    objects.register_all()  # as nova-compute does
    record = {"id": "i", "properties": dict(PROPERTIES), "asked": 0}

    def show(self, context, image_id, include_locations=False, show_deleted=True):
        record["asked"] += 1
        return record

    monkeypatch.setattr(nova_glance.GlanceImageServiceV2, "show", show)
    key = rsa.generate_private_key(65537, 2048, default_backend()).public_key()
    monkeypatch.setattr(signatures.signature_utils, "get_public_key", lambda *args: key)
    return record


@pytest.fixture
def option():
    """Sets options of [glance]."""
    names = []

    def set_to(name, value):
        names.append(name)
        signatures.CONF.set_override(name, value, "glance")

    yield set_to
    for name in names:
        signatures.CONF.clear_override(name, "glance")


def test_nothing_is_demanded_where_nova_verifies_nothing(image):
    assert signatures.demanded(None, "i") is None
    assert not image["asked"]


def test_certificates_that_nobody_named_are_no_demand(image, option):
    option("enable_certificate_validation", True)
    assert signatures.demanded(None, "i") is None


def test_what_the_image_says_and_the_key_are_handed_on(image, option):
    option("verify_glance_signatures", True)
    found = signatures.demanded(None, "i")
    assert (found.value, found.hash_method, found.key_type) == (
        PROPERTIES["img_signature"], "SHA-256", "RSA-PSS")
    assert found.public_key.startswith(b"-----BEGIN PUBLIC KEY-----")
    assert image["asked"] == 1


@pytest.mark.parametrize("name", list(PROPERTIES))
def test_an_image_that_lacks_a_property_is_refused(image, option, name):
    option("verify_glance_signatures", True)
    del image["properties"][name]
    with pytest.raises(nova_exception.ImageUnacceptable, match="signature cannot be verified"):
        signatures.demanded(None, "i")


def test_a_signer_who_is_not_trusted_is_refused(image, option, monkeypatch):
    option("enable_certificate_validation", True)
    option("default_trusted_certificate_ids", ["root"])

    def refuse(context, certificate, trusted):
        assert (certificate, trusted.ids) == ("certificate", ["root"])
        raise nova_exception.CertificateValidationFailed(cert_uuid="c", reason="not by root")

    monkeypatch.setattr(nova_glance, "_verify_certs", refuse)
    with pytest.raises(nova_exception.ImageUnacceptable, match="not by root"):
        signatures.demanded(None, "i")


def test_a_key_manager_that_is_out_boots_nothing(image, option, monkeypatch):
    option("verify_glance_signatures", True)

    def fail(*args):
        raise OSError("no route to the key manager")

    monkeypatch.setattr(signatures.signature_utils, "get_public_key", fail)
    with pytest.raises(nova_exception.CouldNotFetchImage, match="no route"):
        signatures.demanded(None, "i")

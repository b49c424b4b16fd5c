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

"""Whether Nova demands that an image be signed, and by whom: as its other drivers find out.

With ``[glance] verify_glance_signatures``, or certificates that are to be trusted
(``enable_certificate_validation`` and ``default_trusted_certificate_ids``), Nova's own image
service decides: it wants the four ``img_signature*`` properties, gets the certificate from the key
manager as the user, and checks whom it was issued by.  Only the image's bytes do not pass it here.
"""

from __future__ import annotations

import logging
from typing import Any, Dict, Optional

import nova.conf
from cryptography.hazmat.primitives import serialization
from cursive import exception as cursive_exception
from cursive import signature_utils
from nova import exception as nova_exception
from nova.image import glance as nova_glance

from nova_swift_handler.transfer.signature import Signature

CONF = nova.conf.CONF
LOG = logging.getLogger(__name__)

_PREFIX = "img_signature"


class _Once(nova_glance.GlanceImageServiceV2):
    """Nova's image service, which asks for a record once: what is checked is what is used."""

    def __init__(self) -> None:
        super().__init__()
        self._record: Optional[Dict[str, Any]] = None

    def show(self, context: Any, image_id: str, include_locations: bool = False,
             show_deleted: bool = True) -> Dict[str, Any]:
        if self._record is None:
            self._record = super().show(context, image_id, include_locations, show_deleted)
        return self._record


def demanded(context: Any, image_id: str) -> Optional[Signature]:
    """Return the signature that the image's bytes must prove to have; None if none is demanded.

    :raises nova.exception.ImageUnacceptable: the image is not signed, or by nobody who is trusted.
    :raises nova.exception.ImageNotFound: Glance does not show the user this image.
    :raises nova.exception.CouldNotFetchImage: that could not be found out.
    """
    glance = CONF.glance
    if not (glance.verify_glance_signatures or (
            glance.enable_certificate_validation and glance.default_trusted_certificate_ids)):
        return None
    try:
        return _demanded(context, image_id)
    except (cursive_exception.SignatureVerificationError,
            nova_exception.CertificateValidationFailed) as error:
        LOG.warning("Image %s is refused, for its signature cannot be verified: %s", image_id,
                    error)
        raise nova_exception.ImageUnacceptable(
            image_id=image_id, reason="its signature cannot be verified: %s" % error) from error
    except nova_exception.ImageNotFound:
        raise
    except Exception as error:  # whatever the key manager's library raises
        LOG.exception("What image %s must be signed with could not be found out", image_id)
        raise nova_exception.CouldNotFetchImage(
            "Could not fetch image %s: what it must be signed with could not be found out: %s"
            % (image_id, error)) from error


def _demanded(context: Any, image_id: str) -> Signature:
    service = _Once()
    # Private, and the same in Nova 18 to 21; were it not there, the boot would be refused.
    if service._get_verifier(context, image_id, None) is None:
        raise cursive_exception.SignatureVerificationError(reason="Nova verifies nothing")
    properties = service.show(context, image_id)["properties"]
    key_type = str(properties[_PREFIX + "_key_type"])
    public_key = signature_utils.get_public_key(
        context, properties[_PREFIX + "_certificate_uuid"],
        signature_utils.SignatureKeyType.lookup(key_type))
    return Signature(
        value=str(properties[_PREFIX]), hash_method=str(properties[_PREFIX + "_hash_method"]),
        key_type=key_type, public_key=public_key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))

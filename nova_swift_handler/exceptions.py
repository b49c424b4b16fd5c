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

"""Every error this package raises on purpose.

A message says what was being done to what, why it failed, and what to do next.  Errors of other
libraries are turned into these at the seam where they arise.
"""

from __future__ import annotations

from typing import Sequence


class SwiftVhdError(Exception):
    """Base of all errors raised by nova_swift_handler."""


class NotThere(SwiftVhdError):
    """What somebody named is not there, or not any more, whichever side should have it."""


# -- vhd --------------------------------------------------------------------------------------

class VhdError(SwiftVhdError):
    """A VHD is malformed, truncated or not what was asked for."""


class VhdTruncated(VhdError):
    """A VHD ended before all of it was read."""


class ChainBroken(VhdError):
    """The VHDs of a chain do not link up: missing, repeated, cyclic or foreign parent."""


# -- xapi -------------------------------------------------------------------------------------

class XapiError(SwiftVhdError):
    """XAPI refused or failed a call.

    :ivar code: XAPI's error code, e.g. ``VDI_IN_USE``; empty when XAPI could not be reached.
    :ivar params: the code's parameters.
    """

    def __init__(self, message: str, code: str = "", params: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.params = tuple(params)


class RecordMissing(XapiError, NotThere):
    """XAPI has nothing of the uuid or name that it was asked for."""


class XapiUnreachable(XapiError):
    """XAPI did not answer, or the connection broke."""


class SrFull(XapiError):
    """The storage repository has no room for what was asked."""


class TaskFailed(XapiError):
    """A XAPI task ended with an error after its request had been accepted."""


class TransferCut(XapiError):
    """A disk transfer to or from XAPI ended before all of its bytes had passed."""


# -- store ------------------------------------------------------------------------------------

class StoreError(SwiftVhdError):
    """Swift refused or failed a request."""


class StoreUnreachable(StoreError):
    """Swift or Keystone did not answer."""


class StoreAuthFailed(StoreError):
    """Keystone or Swift rejected the service account.

    :ivar passing: a new token may be accepted.
    """

    passing = False


class ObjectMissing(StoreError):
    """An object or container that should exist is not there."""


class StoreCorrupt(StoreError):
    """Stored bytes differ from what was written."""


class AbilityMissing(StoreError):
    """The cluster's static large objects cannot do what is needed."""


# -- catalog ----------------------------------------------------------------------------------

class NameRefused(SwiftVhdError):
    """A name cannot be given: it is taken, or holds what a name may not."""


class PointInvalid(SwiftVhdError):
    """What is recorded about a stored disk cannot be used."""


class CatalogueInvalid(SwiftVhdError):
    """A shared catalogue, or what it offers, is damaged or not what it says, and is not taken."""


# -- glance -----------------------------------------------------------------------------------

class GlanceError(SwiftVhdError):
    """Glance refused or failed a request."""


class GlanceUnreachable(GlanceError):
    """Glance did not answer."""


class GlanceBroken(GlanceError):
    """Glance failed inside (HTTP 500), often for a moment only."""


class ImageUnavailable(GlanceError):
    """Glance does not give this image to this user, or it does not exist."""


class ImageMissing(ImageUnavailable, NotThere):
    """Glance has no such image, or shows it to others only, which it does not tell apart."""


class AccessRefused(ImageUnavailable):
    """Glance refuses this user the image, though it may well exist."""


class ImageCorrupt(GlanceError):
    """An image's bytes differ from its recorded size or hash."""


class ImageUnsupported(SwiftVhdError):
    """An image is of a kind that cannot be booted from VHDs."""


class RegistrationFailed(GlanceError):
    """An image could not be made active."""


class OutcomeUnknown(GlanceError):
    """Whether an image is or will be active is not known, nor could it be deleted."""


class ActivationPending(RegistrationFailed):
    """Glance neither activated an image in time nor gave up: it may still do so."""


# -- transfer ---------------------------------------------------------------------------------

class TransferFailed(SwiftVhdError):
    """A transfer's process ended without a result."""


class StagingFull(SwiftVhdError):
    """An image needs more staging room than the configured limit."""


# -- configuration ----------------------------------------------------------------------------

class ConfigError(SwiftVhdError):
    """An option is missing or wrong."""


# -- sandbox ----------------------------------------------------------------------------------

class SandboxError(SwiftVhdError):
    """The cloud on loopback could not be started, stopped or found."""

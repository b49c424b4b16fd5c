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

"""Whether this machine, the cloud's services and the host agree on the time.

Tokens, addresses with an expiry and Swift's X-Delete-At all depend on it.
"""

from __future__ import annotations

import calendar
import email.utils
import time
from typing import Callable, Iterator, Tuple

from keystoneauth1 import plugin

from nova_swift_handler import exceptions
from nova_swift_handler.doctor.check import NOT_CHECKED, OK, WARNING, WRONG, Finding
from nova_swift_handler.doctor.site import Site
from nova_swift_handler.glance.client import Identity

_SOME, _MUCH = 5.0, 60.0
"""Seconds that two clocks may differ by."""
_MEND = "let chrony or ntpd keep the clock of %s and of this machine"


def skew(site: Site) -> Iterator[Finding]:
    """Compare this machine's clock with each of the others."""
    for name, ask in (("Keystone", _keystone), ("Swift", _swift), ("Glance", _glance),
                      ("the XAPI host", _host)):
        what = "clock of %s" % name
        try:
            yield judge(what, name, *_asked(lambda ask=ask: ask(site)))  # type: ignore[misc]
        except exceptions.SwiftVhdError as error:
            yield Finding(NOT_CHECKED, what, str(error))


def judge(what: str, name: str, theirs: float, before: float, after: float) -> Finding:
    """Return what it means that a clock said *theirs* between two moments of ours.

    :param theirs: in whole seconds since 1970, as are the others with fractions.
    """
    off = max(before - theirs - 1, theirs - after, 0.0)
    text = "it is %s this machine's by %.0f s" % (
        "behind" if theirs < before else "ahead of", off)
    if off > _MUCH:
        return Finding(WRONG, what, text, _MEND % name)
    if off > _SOME:
        return Finding(WARNING, what, text, _MEND % name)
    return Finding(OK, what, "the same as this machine's, to %.0f s" % (off + after - before + 1))


def _asked(ask: Callable[[], float]) -> Tuple[float, float, float]:
    before = time.time()
    theirs = ask()
    return theirs, before, time.time()


def _http(date: str) -> float:
    return calendar.timegm(email.utils.parsedate_to_datetime(date).utctimetuple())


def _keystone(site: Site) -> float:
    answer = site.session.get("/", endpoint_filter={"interface": plugin.AUTH_INTERFACE},
                              authenticated=False, raise_exc=False, log=False)
    if "Date" not in answer.headers:
        raise exceptions.StoreError("Keystone does not say what time it is")
    return _http(answer.headers["Date"])


def _swift(site: Site) -> float:
    return _http(site.account.head_account()["date"])


def _glance(site: Site) -> float:
    answer = site.client.request("GET", "/versions", "Asking Glance for the time",
                                 identity=Identity.SERVICE, expected=(200, 300))
    if "Date" not in answer.headers:
        raise exceptions.GlanceError("Glance does not say what time it is")
    return _http(answer.headers["Date"])


def _host(site: Site) -> float:
    doing = "asking the host for the time"
    found = site.xapi.call("session.get_this_host", site.xapi.credentials()[0], doing=doing)
    stamp = str(site.xapi.call("host.get_servertime", found, doing=doing))
    return calendar.timegm(time.strptime(stamp.rstrip("Z"), "%Y%m%dT%H:%M:%S"))

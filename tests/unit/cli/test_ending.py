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

"""What a command does that is told to end."""

import os
import signal

import pytest

from nova_swift_handler.cli import ending, exit_codes


def test_what_was_begun_is_taken_back():
    before = signal.getsignal(signal.SIGTERM)
    taken_back = []
    with pytest.raises(SystemExit) as caught, ending.terminable():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            signal.pause()
        finally:
            taken_back.append(True)
    assert caught.value.code == exit_codes.TERMINATED
    assert taken_back
    assert signal.getsignal(signal.SIGTERM) == before

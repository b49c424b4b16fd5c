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

"""The repairs, against the os_xenapi that is installed and against one that needs none."""

import io
import pickle
import subprocess
import sys
import tarfile
import textwrap
import types

import pytest
from os_xenapi.client import session
from os_xenapi.client import utils as xapi_utils

from nova_swift_handler.nova_plugin import repairs
from nova_swift_handler.nova_plugin.repairs import pipes, plugin_calls, urls

CONF = types.SimpleNamespace(swift_vhd=types.SimpleNamespace(repair_os_xenapi_pipes=True))


@pytest.fixture(autouse=True)
def as_shipped(monkeypatch):
    """Let each test find os_xenapi as it was before it."""
    monkeypatch.setattr(session.XenAPISession, "call_plugin_serialized",
                        session.XenAPISession.call_plugin_serialized)
    monkeypatch.setattr(session.XenAPISession, "_get_ip_from_url",
                        session.XenAPISession._get_ip_from_url)
    monkeypatch.setattr(xapi_utils, "create_pipe", xapi_utils.create_pipe)
    yield
    pipes.only_if(lambda: True)


@pytest.mark.parametrize("repair", [plugin_calls, urls, pipes])
def test_os_xenapi_as_shipped_is_found_broken_and_then_is_not(repair):
    assert repair.is_broken()
    assert not repair.in_force()
    repair.apply()
    assert not repair.is_broken()
    assert repair.in_force()


def test_all_repairs_applied_twice_are_applied_once():
    names = repairs.apply_all(CONF)
    assert names == [plugin_calls.NAME, urls.NAME, pipes.NAME]
    before = (session.XenAPISession.call_plugin_serialized, xapi_utils.create_pipe)
    assert repairs.apply_all(CONF) == names
    assert (session.XenAPISession.call_plugin_serialized, xapi_utils.create_pipe) == before


def test_a_repair_that_fails_does_not_keep_the_others(monkeypatch, caplog):
    def broken():
        raise RuntimeError("not today")

    monkeypatch.setattr(plugin_calls, "apply", broken)
    assert repairs.apply_all(CONF) == [urls.NAME, pipes.NAME]
    assert plugin_calls.NAME in caplog.text


# -- plugin calls --------------------------------------------------------------------------------

def test_an_os_xenapi_that_calls_plugins_right_is_left_alone(monkeypatch):
    def right(self, plugin, fn, *args, **kwargs):
        params = pickle.dumps({"args": args, "kwargs": kwargs}, 0).decode("latin-1")
        return pickle.loads(self.call_plugin(plugin, fn, {"params": params}).encode("latin-1"))

    monkeypatch.setattr(session.XenAPISession, "call_plugin_serialized", right)
    assert not plugin_calls.is_broken()


VALUES = [
    None, True, 7, -1, 2 ** 40, 1.5, "", "plain", "caf\xe9", "\u20ac \U0001f600", "back\\slash",
    "\\u0041 is not A", "line\nbreak\r\t\0", b"\x00\x80\xff", [1, "a"], ("a",), {"k": {"v": None}},
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_arguments_survive_as_ascii_text(value):
    text = plugin_calls.dumps(value)
    assert text.isascii()
    assert pickle.loads(text.encode("ascii")) == value
    assert plugin_calls.loads(text) == value


@pytest.mark.parametrize("answer, value", [
    ("S'2.1'\np1\n.", "2.1"),
    ("I01\n.", True),
    ("(dp1\nS'uuid'\np2\nS'a'\np3\ns.", {"uuid": "a"}),
    (r"S'caf\xc3\xa9'" + "\np1\n.", "caf\xe9"),
    (r"S'\xff'" + "\np1\n.", "\udcff"),
])
def test_answers_of_python_2_are_understood(answer, value):
    """Texts as Python 2's pickle.dumps(value) gives them."""
    assert plugin_calls.loads(answer) == value


def test_plugin_and_function_are_passed_on():
    class Session:
        def call_plugin(self, plugin, fn, args):
            assert (plugin, fn) == ("glance.py", "upload_vhd2")
            assert pickle.loads(args["params"].encode("ascii")) == {
                "args": ("a",), "kwargs": {"b": 1}}
            return "I3\n."

    call = plugin_calls.call_plugin_serialized
    assert call(Session(), "glance.py", "upload_vhd2", "a", b=1) == 3


# -- URLs ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("url", [
    "http://127.0.0.1:8080", "https://127.0.0.1:8443/", "http://127.0.0.1", "https://127.0.0.1/",
])
def test_an_address_is_found_with_and_without_a_port(url):
    assert urls.get_ip_from_url(None, url) == "127.0.0.1"


def test_looking_for_the_defect_asks_no_resolver(monkeypatch):
    def resolve(*args):
        raise AssertionError("asked the resolver")

    monkeypatch.setattr("socket.gethostbyname", resolve)
    assert urls.is_broken()


def test_an_os_xenapi_that_knows_ports_is_left_alone(monkeypatch):
    def right(self, url):
        return session.socket.gethostbyname(session.urllib.parse.urlparse(url).hostname)

    monkeypatch.setattr(session.XenAPISession, "_get_ip_from_url", right)
    assert not urls.is_broken()


def test_the_other_places_that_take_urls_apart_are_right():
    """Why they are not repaired."""
    swap = session.XenAPISession.swap_xapi_host
    assert swap(None, "http://192.0.2.1:8080", "192.0.2.9") == "http://192.0.2.9:8080"


# -- pipes ---------------------------------------------------------------------------------------

class Dribble:
    """Hands out at most three bytes a read."""

    def __init__(self, data):
        self._file = io.BytesIO(data)
        self.closed_by_reader = False

    def read(self, size=-1):
        return self._file.read(min(size, 3) if size >= 0 else 3)

    def close(self):
        self.closed_by_reader = True


def test_a_read_returns_all_that_was_asked_for():
    reader = pipes.FullReads(Dribble(b"0123456789"))
    assert reader.read(7) == b"0123456"
    assert reader.read(0) == b""
    assert reader.read(7) == b"789"
    assert reader.read(7) == b""


def test_a_read_without_a_size_returns_the_rest():
    assert pipes.FullReads(Dribble(b"0123456789")).read() == b"0123456789"


def test_everything_else_is_the_pipes_own():
    raw = Dribble(b"")
    pipes.FullReads(raw).close()
    assert raw.closed_by_reader


def test_tarfile_stores_all_of_a_pipe_that_dribbles():
    """The very defect: without FullReads tarfile says "unexpected end of data" here."""
    data = bytes(range(256)) * 300
    info = tarfile.TarInfo("0.vhd")
    info.size = len(data)
    with pytest.raises(OSError, match="unexpected end of data"), \
            tarfile.open(fileobj=io.BytesIO(), mode="w") as archive:
        archive.addfile(info, Dribble(data))
    stored = io.BytesIO()
    with tarfile.open(fileobj=stored, mode="w") as archive:
        archive.addfile(info, pipes.FullReads(Dribble(data)))
    stored.seek(0)
    with tarfile.open(fileobj=stored) as archive:
        assert archive.extractfile("0.vhd").read() == data


def test_the_option_is_asked_for_each_pipe():
    wanted = [True]
    pipes.only_if(lambda: wanted[0])
    pipes.apply()
    assert isinstance(xapi_utils.create_pipe()[0], pipes.FullReads)
    assert pipes.in_force()
    wanted[0] = False
    assert not isinstance(xapi_utils.create_pipe()[0], pipes.FullReads)
    assert not pipes.in_force()


def test_the_defect_is_found_under_green_modules_as_in_nova_compute():
    """In a process of its own, for eventlet's modules cannot be taken out again."""
    code = textwrap.dedent("""
        import nova.monkey_patch
        from nova_swift_handler.nova_plugin.repairs import pipes
        assert pipes.is_broken()
        pipes.apply()
        from os_xenapi.client import utils
        import eventlet
        reader, writer = utils.create_pipe()
        def write():
            for piece in (b"ab", b"cd", b"ef"):
                writer.write(piece)
                eventlet.sleep(0)
            writer.close()
        eventlet.spawn(write)
        assert reader.read(5) == b"abcde"
        assert reader.read(5) == b"f"
    """)
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True,
                          check=False)
    assert done.returncode == 0, done.stderr.decode()

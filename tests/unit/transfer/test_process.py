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

"""Jobs run in a process of their own: how they end arrives, and none outlives its purpose."""

from __future__ import annotations

import contextlib
import inspect
import json
import logging
import os
import pathlib
import signal
import subprocess
import sys
import threading
import time
from concurrent import futures
from typing import Any, Callable, Dict, Iterator, List

import pytest

import nova_swift_handler
from nova_swift_handler import exceptions
from nova_swift_handler.transfer import budget, process, worker

from . import services

_PATIENCE = 300.0
_ROOT = pathlib.Path(nova_swift_handler.__file__).resolve().parents[1]
_ENVIRONMENT = {**os.environ, "PYTHONPATH": str(_ROOT)}


def _not_found(request: services.Request) -> services.Answer:
    return 404, {"message": "no such image"}


def _until(condition: Callable[[], Any], what: str) -> Any:
    """Wait for what must come sooner or later."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("waited in vain for " + what)


class Silence:
    """Glance that keeps everybody waiting until it is let go."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.go = threading.Event()

    def __call__(self, request: services.Request) -> services.Answer:
        self.asked.set()
        self.go.wait(_PATIENCE)
        return _not_found(request)


@pytest.fixture
def silence() -> Iterator[Silence]:
    made = Silence()
    yield made
    made.go.set()


@contextlib.contextmanager
def _running(job: Any) -> Iterator[futures.Future[Dict[str, Any]]]:
    with futures.ThreadPoolExecutor(1) as pool:
        yield pool.submit(process.run, job)


@pytest.fixture(autouse=True)
def no_process_is_left() -> Iterator[None]:
    yield
    _until(lambda: services.children() == [], "the end of all processes")


# -- how a job ends ---------------------------------------------------------------------------

def test_a_jobs_result_is_returned() -> None:
    def swift(request: services.Request) -> services.Answer:
        if request.method == "DELETE":
            return 204, b""
        assert request.headers["x-auth-token"] == services.SERVICE_TOKEN
        if request.method == "HEAD" or request.path.endswith("/point.json"):
            return 404, b""
        ended = "marker=points" in request.path or "prefix=intents" in request.path
        return 200, [] if ended else [{"name": "points/%s/head" % services.IMAGE}]

    with services.Server(swift) as server:
        assert process.run(services.clean_up_job(server.url)) == {"removed": 1}
    deleted = [request.path for request in server.requests if request.method == "DELETE"]
    assert deleted == [
        "/v2/images/" + services.IMAGE,
        "/v1/AUTH_x/vhd-volume-volume-1/points/%s/head" % services.IMAGE]


@pytest.mark.parametrize("status", [401, 403, 409, 500, 503])
def test_what_glance_may_have_as_active_keeps_its_bytes(status: int) -> None:
    with services.Server(lambda request: (status, b"")) as server, pytest.raises(
            exceptions.OutcomeUnknown, match=services.IMAGE + ".*Delete the image"):
        process.run(services.clean_up_job(server.url))
    assert {request.path for request in server.requests} == {"/v2/images/" + services.IMAGE}
    assert server.requests[0].headers["x-auth-token"] == services.USER_TOKEN


def test_nothing_to_clean_up_is_clean() -> None:
    with services.Server(lambda request: (404, b"")) as server:
        assert process.run(services.clean_up_job(server.url)) == {"removed": 0}


def test_an_error_keeps_its_class_and_message() -> None:
    with services.Server(_not_found) as server, pytest.raises(
            exceptions.ImageUnavailable, match=services.IMAGE):
        process.run(services.boot_job(server.url))


def test_what_is_no_error_of_ours_says_what_it_was() -> None:
    # Glance answers with a record that cannot be one.
    with services.Server(lambda request: (200, [])) as server, pytest.raises(
            exceptions.SwiftVhdError) as caught:
        process.run(services.boot_job(server.url))
    assert "Error" in str(caught.value)


_KINDS: List[Any] = sorted(
    (kind for _name, kind in inspect.getmembers(exceptions, inspect.isclass)
     if issubclass(kind, exceptions.SwiftVhdError)), key=lambda kind: kind.__name__)


def _relayed(error: BaseException) -> exceptions.SwiftVhdError:
    return process._error(json.loads(json.dumps(worker._failure(error))))


@pytest.mark.parametrize("kind", _KINDS)
def test_every_class_of_error_crosses_over(kind: Any) -> None:
    relayed = _relayed(kind("what happened"))
    assert type(relayed) is kind
    assert str(relayed) == "what happened"


def test_xapis_code_and_parameters_cross_over() -> None:
    relayed = _relayed(exceptions.SrFull("full", "SR_BACKEND_FAILURE_44", ["", "no space"]))
    assert isinstance(relayed, exceptions.SrFull)
    assert (relayed.code, relayed.params) == ("SR_BACKEND_FAILURE_44", ("", "no space"))


def test_an_error_that_a_module_derives_crosses_over_as_its_nearest_kin() -> None:
    class Derived(exceptions.RegistrationFailed):
        pass

    assert type(_relayed(Derived("late"))) is exceptions.RegistrationFailed


def test_a_strange_error_crosses_over_as_a_failed_transfer() -> None:
    relayed = _relayed(ZeroDivisionError("by zero"))
    assert type(relayed) is exceptions.TransferFailed
    assert "ZeroDivisionError: by zero" in str(relayed)


# -- processes that die -----------------------------------------------------------------------

def test_a_killed_process_is_a_failed_transfer(silence: Silence) -> None:
    with services.Server(silence) as server, _running(services.boot_job(server.url)) as running:
        assert silence.asked.wait(_PATIENCE)
        child, = services.children()
        os.kill(child, signal.SIGKILL)
        with pytest.raises(exceptions.TransferFailed, match="process %d ended .*exit status -9"
                                                            % child):
            running.result(_PATIENCE)


_RUN = """
import sys
from nova_swift_handler.transfer import process
from tests.unit.transfer import services
process.run(services.boot_job(sys.argv[1]))
"""


def test_a_process_does_not_outlive_whoever_started_it(silence: Silence) -> None:
    with services.Server(silence) as server:
        with subprocess.Popen([sys.executable, "-c", _RUN, server.url], env=_ENVIRONMENT,
                              cwd=str(_ROOT), stderr=subprocess.PIPE) as parent:
            assert silence.asked.wait(_PATIENCE)
            child, = services.children(parent.pid)
            parent.kill()
            parent.wait()
            silence.go.set()
            _errors = parent.communicate()
        _until(lambda: not _runs(child), "the orphan's end")


def _runs(pid: int) -> bool:
    try:
        stat = pathlib.Path("/proc/%d/stat" % pid).read_text()
    except OSError:
        return False
    return stat.rsplit(")", 1)[1].split()[0] != "Z"


def test_a_process_that_cannot_start_is_a_failed_transfer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(exceptions.TransferFailed, match="exit status 1"):
        process.run(services.boot_job("http://127.0.0.1:1"))


# -- what others see --------------------------------------------------------------------------

def test_neither_arguments_nor_environment_hold_secrets(silence: Silence) -> None:
    with services.Server(silence) as server, _running(services.boot_job(server.url)) as running:
        assert silence.asked.wait(_PATIENCE)
        child, = services.children()
        for name in ("cmdline", "environ"):
            seen = pathlib.Path("/proc/%d/%s" % (child, name)).read_bytes()
            assert not [secret for secret in services.SECRETS if secret.encode() in seen]
        silence.go.set()
        with pytest.raises(exceptions.ImageUnavailable):
            running.result(_PATIENCE)


def test_the_process_holds_no_file_of_its_parents(silence: Silence,
                                                  tmp_path: pathlib.Path) -> None:
    with open(tmp_path / "held", "w") as held:
        os.set_inheritable(held.fileno(), True)
        with services.Server(silence) as server, _running(
                services.boot_job(server.url)) as running:
            assert silence.asked.wait(_PATIENCE)
            child, = services.children()
            links = [os.readlink(str(path))
                     for path in pathlib.Path("/proc/%d/fd" % child).iterdir()]
            assert str(tmp_path / "held") not in links
            silence.go.set()
            with pytest.raises(exceptions.ImageUnavailable):
                running.result(_PATIENCE)


def test_its_log_becomes_ours_without_secrets(caplog: pytest.LogCaptureFixture,
                                              capfd: pytest.CaptureFixture[str]) -> None:
    refused = []

    def swift(request: services.Request) -> services.Answer:
        if (request.method == "DELETE" and request.path.startswith("/v1/")
                and len(refused) < 2):
            refused.append(request)
            return 503, services.SERVICE_TOKEN.encode()
        if request.path.endswith("/point.json"):
            return 404, b""
        return (204, b"") if request.method == "DELETE" else (200, [
            {"name": "points/%s/head" % services.IMAGE}] if not request.path.count("marker=points")
            and "prefix=points" in request.path else [])

    caplog.set_level(logging.DEBUG)
    with services.Server(swift) as server:
        process.run(services.clean_up_job(server.url))
    told = [record for record in caplog.records
            if record.name == "nova_swift_handler.store.connection"]
    # An outage is told once.
    assert [record.levelno for record in told] == [logging.WARNING, logging.DEBUG]
    assert "503" in told[0].getMessage()
    out, err = capfd.readouterr()
    assert not [secret for secret in services.SECRETS if secret in caplog.text + out + err]


def test_a_failed_job_tells_no_secrets(caplog: pytest.LogCaptureFixture,
                                       capfd: pytest.CaptureFixture[str]) -> None:
    caplog.set_level(logging.DEBUG)
    with services.Server(lambda request: (500, b"oops")) as server, pytest.raises(
            exceptions.SwiftVhdError) as caught:
        process.run(services.boot_job(server.url))
    out, err = capfd.readouterr()
    text = caplog.text + out + err + str(caught.value) + repr(caught.value.__dict__)
    assert not [secret for secret in services.SECRETS if secret in text]


LIMIT = services.MAX_CONCURRENT


def test_only_so_many_run_at_a_time(silence: Silence) -> None:
    with services.Server(silence) as server, futures.ThreadPoolExecutor(6) as pool:
        running = [pool.submit(process.run, services.boot_job(server.url)) for _job in range(6)]
        _until(lambda: server.most == LIMIT, "the first jobs")
        assert len(services.children()) == LIMIT < 6
        silence.go.set()
        for each in running:
            assert isinstance(each.exception(_PATIENCE), exceptions.ImageUnavailable)
        assert len(server.requests) == 6
        assert server.most == LIMIT


def test_a_failed_jobs_slot_is_free_again() -> None:
    with services.Server(_not_found) as server:
        for _job in range(LIMIT + 1):
            with pytest.raises(exceptions.ImageUnavailable):
                process.run(services.boot_job(server.url))


# -- jobs that are no longer wanted -------------------------------------------------------------

class Unwanted(Exception):
    """Raised by a check."""


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask often whether a job is wanted."""
    monkeypatch.setattr(budget, "LOOK", 0.1)
    monkeypatch.setattr(process, "LOOK", 0.1)


def _check(wanted: threading.Event) -> Callable[[], None]:
    def check() -> None:
        if not wanted.is_set():
            raise Unwanted

    return check


@pytest.mark.usefixtures("impatient")
def test_a_waiting_job_that_is_no_longer_wanted_ends_and_lets_others_pass(
        silence: Silence) -> None:
    wanted = threading.Event()
    wanted.set()
    with services.Server(silence) as server, futures.ThreadPoolExecutor(LIMIT + 2) as pool:
        running = [pool.submit(process.run, services.boot_job(server.url))
                   for _job in range(LIMIT)]
        _until(lambda: server.most == LIMIT, "the first jobs")
        waiting = pool.submit(process.run, services.boot_job(server.url), lambda event: None,
                              _check(wanted))
        _until(lambda: process._budget is not None and process._budget.waiting == 1, "one more")
        behind = pool.submit(process.run, services.boot_job(server.url))
        _until(lambda: process._budget is not None and process._budget.waiting == 2, "two more")
        wanted.clear()
        assert isinstance(waiting.exception(_PATIENCE), Unwanted)
        assert len(server.requests) == LIMIT  # it never began
        silence.go.set()
        for each in [*running, behind]:
            assert isinstance(each.exception(_PATIENCE), exceptions.ImageUnavailable)


@pytest.mark.usefixtures("impatient")
def test_a_running_job_that_is_no_longer_wanted_ends(silence: Silence) -> None:
    wanted = threading.Event()
    wanted.set()
    with services.Server(silence) as server, futures.ThreadPoolExecutor(1) as pool:
        def check() -> None:
            try:
                _check(wanted)()
            except Unwanted:
                # Nobody listens to the process any more; now it need not wait for Glance either.
                silence.go.set()
                raise

        running = pool.submit(process.run, services.boot_job(server.url), lambda event: None,
                              check)
        assert silence.asked.wait(_PATIENCE)
        wanted.clear()
        assert isinstance(running.exception(_PATIENCE), Unwanted)
    assert process._budget is not None and process._budget.waiting == 0


def test_other_greenthreads_go_on_meanwhile(silence: Silence) -> None:
    pytest.importorskip("eventlet", reason="eventlet is not installed")
    script = pathlib.Path(__file__).with_name("under_eventlet.py")
    with services.Server(silence) as server, subprocess.Popen(
            [sys.executable, str(script), server.url], env=_ENVIRONMENT, cwd=str(_ROOT),
            stdout=subprocess.PIPE, text=True) as child:
        try:
            # Glance answers only when the greenthread that counts has been able to do so.
            assert silence.asked.wait(_PATIENCE)
            assert child.stdout is not None
            watchdog = threading.Timer(_PATIENCE, child.kill)
            watchdog.start()
            assert child.stdout.readline() == "fifty turns\n"
            silence.go.set()
            output = child.stdout.read()
            watchdog.cancel()
        finally:
            child.kill()
    assert output.count("refused: ") == 2


def test_a_process_loads_no_library_that_transfers_do_without() -> None:
    # Without the number of a socket it ends once it has imported everything.
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "nova_swift_handler.transfer"],
        env=_ENVIRONMENT, stderr=subprocess.PIPE, check=False)
    loaded = {line.rpartition(b"|")[2].strip().decode()
              for line in ended.stderr.splitlines() if line.startswith(b"import time:")}
    assert "swiftclient" in loaded
    # Half a second, or a third of all that a transfer takes beside its data.
    assert not loaded.intersection(
        {"oslo_config", "oslo_log", "glanceclient", "keystoneclient.base", "cliff"})

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

"""What Nova is told of a failure, for what it does then hangs on it."""

from __future__ import annotations

import contextlib
import types

import pytest

pytest.importorskip("nova.virt.xenapi.vm_utils")

import eventlet
from nova import exception as nova_exception

from nova_swift_handler import exceptions, handler
from nova_swift_handler.xapi.settings import XapiSettings

IMAGE = "11111111-2222-4333-8444-555555555555"


class Instance(dict):
    """What the handler asks of Nova's instance."""


@pytest.fixture
def told(monkeypatch):
    """Return a function that gives what Nova is told when a job fails with an error."""
    monkeypatch.setattr(handler, "_services", lambda context: types.SimpleNamespace(
        xapi=XapiSettings("http://host", "root", "secret", chain_depth_warning=3)))
    monkeypatch.setattr(handler, "_user", lambda context: None)
    monkeypatch.setattr(handler, "_image_properties", lambda instance: {})
    monkeypatch.setattr(handler.vm_utils, "safe_find_sr", lambda session: "sr")
    monkeypatch.setattr(handler, "_clean_up", lambda job: None)
    monkeypatch.setattr(handler, "_destroy", lambda job, made: None)
    instance = Instance(uuid="u", name="instance-1", image_ref="")

    def tell(verb, error, depth=1):
        def fail(*args, **kwargs):
            raise error

        monkeypatch.setattr(handler.process, "run", fail)
        with pytest.raises(nova_exception.NovaException) as caught:
            if verb == "upload":
                handler.SwiftVhdHandler().upload_image(
                    None, None, instance, IMAGE, ["vdi"] * depth)
            else:
                handler.SwiftVhdHandler().download_image(None, None, instance, IMAGE)
        return caught.value

    return tell


def test_an_image_deleted_during_its_snapshot_is_not_found(told):
    assert isinstance(told("upload", exceptions.ImageUnavailable("gone")),
                      nova_exception.ImageNotFound)


def test_a_refused_snapshot_is_a_failure_or_create_backup_would_delete_a_good_one(told):
    error = told("upload", exceptions.AccessRefused("policy"))
    assert isinstance(error, nova_exception.CouldNotUploadImage)
    assert "policy" in str(error)


@pytest.mark.parametrize("error", [exceptions.SrFull("full"), exceptions.TransferFailed("killed"),
                                   exceptions.ConfigError("option")])
def test_other_failures_keep_their_reason(told, error):
    for verb, kind in (("upload", nova_exception.CouldNotUploadImage),
                       ("download", nova_exception.CouldNotFetchImage)):
        answer = told(verb, error)
        assert isinstance(answer, kind)
        assert str(error) in str(answer)


@pytest.mark.parametrize("error", [exceptions.ChainBroken("no parent"),
                                   exceptions.ImageUnsupported("qcow2"),
                                   exceptions.ImageCorrupt("truncated")])
def test_a_bad_image_is_tried_on_no_other_host(told, error):
    answer = told("download", error)
    assert isinstance(answer, nova_exception.ImageUnacceptable)
    assert str(error) in str(answer)


def test_boots_look_for_what_others_have_left_until_one_has_gone_well(told, monkeypatch):
    outcomes = [exceptions.ImageUnavailable("Glance was asked first"), None, None,
                exceptions.XapiUnreachable("the host was restarted"), None, None]
    reaping = []

    def run(job, listener, check):
        reaping.append(job.reap)
        outcome = outcomes[len(reaping) - 1]
        if outcome is not None:
            raise outcome
        return {"vdi_uuid": "v", "virtual_size": 1, "source": "swift"}

    monkeypatch.setattr(handler.process, "run", run)
    new = handler.SwiftVhdHandler()
    for _outcome in outcomes:
        with contextlib.suppress(nova_exception.NovaException):
            new.download_image(None, None, Instance(uuid="u", name="instance-1"), IMAGE)
    assert reaping == [True, True, False, False, True, False]


@pytest.fixture
def ask(monkeypatch):
    """Return a function that runs a verb's check of whether it is still wanted."""
    monkeypatch.setattr(handler, "_services", lambda context: types.SimpleNamespace(
        xapi=XapiSettings("http://host", "root", "secret", chain_depth_warning=3)))
    monkeypatch.setattr(handler, "_user", lambda context: None)
    monkeypatch.setattr(handler, "_image_properties", lambda instance: {})
    monkeypatch.setattr(handler.vm_utils, "safe_find_sr", lambda session: "sr")
    instance = Instance(uuid="u", name="instance-1", image_ref="")

    def run(job, listener=None, check=None):
        for uuid in told:
            listener({"event": "vdi", "uuid": uuid})
        check()
        return {"vdi_uuid": "v", "virtual_size": 1, "source": "swift", "blocks": 0, "segments": 0,
                "parent": None, "sent_blocks": 0, "sent_bytes": 0, "registration": "location"}

    told = []

    def ask(verb, made=None):
        told.extend([made] if made else [])
        monkeypatch.setattr(handler.process, "run", run)
        if verb == "upload":
            return handler.SwiftVhdHandler().upload_image(None, None, instance, IMAGE, ["vdi"])
        return handler.SwiftVhdHandler().download_image(None, None, instance, IMAGE)

    return ask


def answering(monkeypatch, answer):
    """Let Glance and Nova's database give *answer*, or raise it."""
    def give(*args, **kwargs):
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(handler.nova_glance.API, "get", give)
    monkeypatch.setattr(handler.objects.Instance, "get_by_uuid", give)


def test_a_snapshot_whose_image_is_deleted_ends(ask, monkeypatch):
    answering(monkeypatch, nova_exception.ImageNotFound(image_id=IMAGE))
    with pytest.raises(nova_exception.ImageNotFound):
        ask("upload")


@pytest.mark.parametrize("answer", [nova_exception.InstanceNotFound(instance_id="u"),
                                    Instance(task_state="deleting")])
def test_a_boot_whose_instance_is_deleted_ends(ask, monkeypatch, answer):
    if isinstance(answer, Instance):
        answer = type("Found", (), answer)
    answering(monkeypatch, answer)
    with pytest.raises(nova_exception.InstanceNotFound):
        ask("download")


def test_a_disk_that_is_complete_when_its_instance_is_deleted_goes_too(ask, monkeypatch):
    answering(monkeypatch, nova_exception.InstanceNotFound(instance_id="u"))
    gone = []
    monkeypatch.setattr(handler, "_destroy", lambda job, made: gone.extend(made))
    with pytest.raises(nova_exception.InstanceNotFound):
        ask("download", made="v")
    assert gone == ["v"]


@pytest.mark.parametrize("answer", [nova_exception.ImageNotAuthorized(image_id=IMAGE),
                                    RuntimeError("no conductor"),
                                    type("Found", (), {"task_state": "spawning"})])
def test_other_answers_end_nothing(ask, monkeypatch, answer):
    answering(monkeypatch, answer)
    ask("upload")
    assert ask("download") == {"root": {"uuid": "v"}}


def test_a_glance_that_never_answers_does_not_hold_a_snapshot_up(ask, monkeypatch):
    monkeypatch.setattr(handler, "_PATIENCE", 0.1)
    monkeypatch.setattr(handler.nova_glance.API, "get", lambda *args: eventlet.sleep(10 ** 6))
    ask("upload")


def test_an_image_that_lacks_the_signature_nova_demands_is_not_fetched(told, monkeypatch):
    def refuse(context, image_id):
        raise nova_exception.ImageUnacceptable(image_id=image_id, reason="not signed")

    monkeypatch.setattr(handler.signatures, "demanded", refuse)
    assert "not signed" in str(told("download", exceptions.SrFull("not reached")))


@pytest.mark.parametrize("depth, warned", [(2, False), (3, True)])
def test_a_snapshot_of_a_deep_chain_is_warned_of(told, caplog, depth, warned):
    told("upload", exceptions.SrFull("full"), depth)
    assert ("Snapshot of instance u: its chain has 3 VHDs" in caplog.text) is warned

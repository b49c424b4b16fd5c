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

"""The application, with commands made for the purpose."""

import argparse
import logging

import pytest

from nova_swift_handler import exceptions
from nova_swift_handler.cli import base, exit_codes


class Fails(base.Command):
    """Raise what the test put here."""

    error: BaseException = Exception()

    def take_action(self, parsed_args):
        raise self.error


class ShowsUrl(base.Command):
    """Print the host's address."""

    def take_action(self, parsed_args):
        self.app.stdout.write(self.xapi_settings().url)


@pytest.fixture
def run(runs):
    """Return a function that runs the application: (exit code, stdout, stderr)."""
    return runs(fail=Fails, show_url=ShowsUrl)


@pytest.mark.parametrize("error, code", [
    (exceptions.ConfigError("x"), 3),
    (exceptions.XapiUnreachable("x"), 4),
    (exceptions.StoreAuthFailed("x"), 5),
    (exceptions.StoreCorrupt("x"), 7),
    (exceptions.GlanceUnreachable("x"), 6),
    (exceptions.ImageCorrupt("x"), 7),
    (exceptions.VhdTruncated("x"), 7),
    (exceptions.StagingFull("x"), 8),
    (exceptions.SandboxError("x"), 9),
    (argparse.ArgumentTypeError("x"), 2),
    (FileNotFoundError(2, "No such file or directory", "x"), 11),
    (exceptions.NotThere("x"), 11),
    (exceptions.ImageMissing("x"), 11),
    (exceptions.RecordMissing("x", "UUID_INVALID"), 11),
    (PermissionError(13, "Permission denied", "x"), 9),
    (KeyError("x"), 1),
])
def test_an_error_ends_in_one_line_and_its_exit_code(run, monkeypatch, error, code):
    monkeypatch.setattr(Fails, "error", error)
    got, out, err = run("fail")
    assert got == code
    assert out == ""
    assert err.startswith("swift-vhd: ")
    assert err.count("\n") == 1
    assert "x" in err


def test_an_error_of_several_lines_is_still_one_line(run, monkeypatch):
    monkeypatch.setattr(Fails, "error", exceptions.StoreError("first\nsecond"))
    _code, _out, err = run("fail")
    assert err == "swift-vhd: first second\n"


def test_a_file_that_cannot_be_opened_is_told_without_numbers(run, monkeypatch):
    monkeypatch.setattr(Fails, "error", FileNotFoundError(2, "No such file or directory", "a.vhd"))
    assert run("fail") == (11, "", "swift-vhd: a.vhd: No such file or directory\n")


def test_a_warning_tells_the_error_that_is_being_handled_once(run, monkeypatch, capsys):
    def warn(_self, _parsed_args):
        try:
            raise exceptions.StoreError("the reason")
        except exceptions.StoreError as error:
            logging.getLogger("nova_swift_handler.some").warning("Something failed: %s", error)

    monkeypatch.setattr(Fails, "take_action", warn)
    assert run("fail")[0] == 0
    assert capsys.readouterr().err == "WARNING Something failed: the reason\n"


def test_an_unexpected_error_is_told_as_such_without_a_traceback(run, monkeypatch, capsys):
    monkeypatch.setattr(Fails, "error", ZeroDivisionError("by nought"))
    code, _out, err = run("fail")
    assert code == exit_codes.UNEXPECTED
    assert "ZeroDivisionError: by nought" in err
    assert "--debug" in err
    assert "Traceback" not in err + capsys.readouterr().err


def test_debug_shows_the_traceback(run, monkeypatch, capsys):
    monkeypatch.setattr(Fails, "error", exceptions.StoreError("x"))
    code, _out, _err = run("--debug", "fail")
    assert code == 5
    assert "Traceback" in capsys.readouterr().err


def test_no_command_shows_the_help(run):
    code, _out, err = run()
    assert code == exit_codes.USAGE
    assert "usage: swift-vhd" in err
    assert "swift-vhd --help lists the commands" in err


def test_an_unknown_command_is_a_usage_error(run):
    assert run("fial")[0] == exit_codes.USAGE


def test_the_named_file_is_read(run, tmp_path):
    path = tmp_path / "some.conf"
    path.write_text("[xenserver]\nconnection_url = http://192.0.2.7\nconnection_password = x\n")
    assert run("--config-file", str(path), "show", "url") == (0, "http://192.0.2.7", "")


def test_a_directory_is_read_after_the_files(run, tmp_path):
    path = tmp_path / "some.conf"
    path.write_text("[xenserver]\nconnection_url = http://192.0.2.7\nconnection_password = x\n")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / "10.conf").write_text("[xenserver]\nconnection_url = http://192.0.2.8\n")
    code, out, _err = run("--config-file", str(path), "--config-dir", str(tmp_path / "d"),
                          "show", "url")
    assert (code, out) == (0, "http://192.0.2.8")


def test_a_missing_file_is_a_configuration_error(run, tmp_path):
    code, _out, err = run("--config-file", str(tmp_path / "none.conf"), "show", "url")
    assert code == 3
    assert "none.conf" in err


def test_a_malformed_file_is_a_configuration_error(run, tmp_path):
    path = tmp_path / "bad.conf"
    path.write_text("no section and no option\n")
    code, _out, err = run("--config-file", str(path), "show", "url")
    assert code == 3
    assert "bad.conf" in err
    assert "Mend that line" in err


def test_a_missing_option_is_a_configuration_error(run, tmp_path):
    path = tmp_path / "some.conf"
    path.write_text("")
    code, _out, err = run("--config-file", str(path), "show", "url")
    assert code == 3
    assert "for example: connection_url = " in err
    assert "nova-compute.conf" in err

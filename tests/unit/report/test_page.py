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

"""The page as parsers and a browser read it."""

from __future__ import annotations

import base64
import hashlib
import html.parser
import pathlib
import re
import subprocess
from typing import Any, Dict, Iterator, List, Optional, Tuple

import jinja2
import pytest
from jinja2 import nodes

from nova_swift_handler.report import page
from nova_swift_handler.upkeep.inventory import Inventory
from tests import programs
from tests.unit.report import inventories

_VOID = frozenset(("meta", "input", "br", "img", "link", "hr"))


class Parsed(html.parser.HTMLParser):
    """A page: its elements, and what they hold.

    :ivar elements: tags and attributes, in order.
    :ivar texts: texts by the tag that they stand in.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: List[Tuple[str, Dict[str, Optional[str]]]] = []
        self.texts: Dict[str, List[str]] = {}
        self._open: List[str] = []
        self.feed(text)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        assert len(dict(attrs)) == len(attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts.setdefault(self._open[-1], []).append(data)

    def all(self, tag: str) -> List[Dict[str, Optional[str]]]:
        return [attributes for name, attributes in self.elements if name == tag]


def text(inventory: Inventory) -> str:
    return "".join(page.render(inventory, "1.2.3"))


@pytest.fixture(scope="module")
def small() -> Parsed:
    return Parsed(text(inventories.small()))


def test_names_are_shown_and_never_understood(small: Parsed) -> None:
    assert len(small.all("script")) == 1
    assert inventories.HOSTILE in small.texts["bdi"]
    assert not any("alert" in script for script in small.texts["script"])


def test_nothing_outside_the_page_is_asked_for(small: Parsed) -> None:
    for tag, attributes in small.elements:
        assert not {"src", "srcset", "action", "style", "background", "poster", "data",
                    "xlink:href"} & set(attributes), tag
        assert not [name for name in attributes if name.startswith("on")]
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"url\(|@import|http", "".join(small.texts["style"]))
    assert not small.all("link")


def test_a_browser_may_run_the_pages_own_script_and_nothing_else(small: Parsed) -> None:
    (policy,) = [meta["content"] for meta in small.all("meta")
                 if meta.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    allowed = {words.split()[0]: words.split()[1:] for words in policy.split(";")}
    assert allowed["default-src"] == ["'none'"]
    for tag in ("script", "style"):
        digest = hashlib.sha256("".join(small.texts[tag]).encode()).digest()
        assert allowed[tag + "-src"] == ["'sha256-%s'" % base64.b64encode(digest).decode()]


def test_ids_are_unique_and_links_lead_to_them(small: Parsed) -> None:
    ids = [attributes["id"] for _tag, attributes in small.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    leads = {str(link["href"])[1:] for link in small.all("a")}
    assert leads <= set(ids)
    assert "p-damaged" in leads  # a point that needs attention
    assert all(svg.get("aria-hidden") == "true" or svg.get("aria-label")
               for svg in small.all("svg"))


def test_what_needs_attention_is_said() -> None:
    shown = text(inventories.small())
    for phrase in ("Stored, but cannot be read", "Damaged when last verified",
                   "lacks 3 objects",
                   "Active in Glance, but the disk is lost",
                   "Glance has no image of it", "the image is not active", "1 never"):
        assert phrase in shown
    calm = text(inventories.large(2))
    assert "Needs attention" in calm
    assert "Nothing." in calm
    assert "Damaged" not in calm


def test_a_glance_that_was_not_asked_is_no_secret() -> None:
    make = inventories.Maker()
    assert "Glance was not asked." in text(make.inventory([], "Glance was not asked."))


def test_a_name_cannot_look_like_another() -> None:
    make = inventories.Maker()
    shown = text(make.inventory([make.volume([make.item("\u202egpj.exe\x00\n \u05e9")])]))
    assert "<bdi>\ufffdgpj.exe\ufffd\ufffd \u05e9</bdi>" in shown
    assert not re.search("[\x00\u202e]", shown)


def test_volumes_come_by_name() -> None:
    make = inventories.Maker()
    names = ["web-10", "Web-9", "db", "web-9 old", "1", "\u0665"]
    shown = Parsed(text(make.inventory([make.volume([make.item(name)]) for name in names])))
    assert [name for name in dict.fromkeys(shown.texts["bdi"]) if name in names] == [
        "1", "\u0665", "db", "Web-9", "web-9 old", "web-10"]


def test_all_projects_are_there() -> None:
    make = inventories.Maker()
    shown = text(make.inventory([make.volume(make.chain("x" * number, 1))
                                 for number in range(20)]))
    assert all(project in shown for project in make.projects)
    assert "9 more projects" in shown


def test_a_point_that_stands_twice_is_led_to_once() -> None:
    make = inventories.Maker()
    point = make.item("twin")
    shown = Parsed(text(make.inventory([make.volume([point]), make.volume([point])])))
    assert [attributes["id"] for _tag, attributes in shown.elements
            if attributes.get("id") == "p-" + point.image_id] == ["p-" + point.image_id]


def test_a_store_without_anything() -> None:
    make = inventories.Maker()
    empty = make.inventory([])
    empty.templates.points.clear()
    empty.isos.clear()
    shown = text(empty)
    assert "No point is stored." in shown
    assert "Every point was verified" not in shown


@pytest.mark.parametrize("value, shown", [
    (0, "0 B"), (999, "999 B"), (1024, "1.0 KiB"), (1000 * 1024, "1.0 MiB"),
    (10 * 2 ** 30, "10.0 GiB"), (150 * 2 ** 30, "150 GiB"), (3 * 2 ** 60, "3072 PiB")])
def test_sizes(value: int, shown: str) -> None:
    assert page.size(value) == shown


def test_a_thousand_volumes_are_all_there() -> None:
    shown = text(inventories.large())
    rows = [row for row in Parsed(shown).all("li") if "data-v" in row]
    assert len(rows) == 1000
    assert len(shown) < 10 * 2 ** 20


@pytest.fixture
def dom(tmp_path: pathlib.Path) -> Iterator[Any]:
    """What a browser makes of a page: its elements once the script has run."""
    def made(inventory: Inventory, fragment: str = "") -> Parsed:
        path = tmp_path / "page.html"
        path.write_text(text(inventory), encoding="utf-8")
        chromium = programs.find("chromium")
        assert chromium is not None
        done = subprocess.run(
            [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic",
             "--disable-dev-shm-usage",
             "--no-first-run", "--disable-background-networking", "--disable-component-update",
             "--disable-sync", "--enable-logging=stderr", "--v=0", "--dump-dom",
             "--user-data-dir=%s" % (tmp_path / "profile"),
             "%s%s" % (path.as_uri(), fragment)],
            capture_output=True, check=True, text=True, timeout=900)
        # What a page does against its own policy, or fails at, is told on the console.
        assert "CONSOLE" not in done.stderr, done.stderr
        return Parsed(done.stdout)

    yield made


def _rows(parsed: Parsed) -> List[Dict[str, Optional[str]]]:
    return [row for row in parsed.all("li") if "data-v" in row]


def test_jinja_2_10_renders_each_condition() -> None:
    """It takes a condition without ``else`` for undefined, which the page is strict about."""
    text = (pathlib.Path(page.__file__).parent / "page.html.j2").read_text(encoding="utf-8")
    conditions = list(jinja2.Environment(autoescape=True).parse(text).find_all(nodes.CondExpr))
    assert conditions
    assert [each.lineno for each in conditions if each.expr2 is None] == []


@programs.needs("chromium")
def test_a_browser_shows_names_and_runs_none(dom: Any) -> None:
    shown = dom(inventories.small())
    assert len(shown.all("script")) == 1
    assert inventories.HOSTILE in shown.texts["bdi"]
    # The page's own script has run: there is something to search with, and to sort by.
    assert [tools for tools in shown.all("div") if tools.get("id") == "tools"
            and "hidden" not in tools]
    assert len([button for button in shown.all("button") if "aria-pressed" in button]) == 7


@programs.needs("chromium")
def test_a_browser_searches_a_thousand_volumes(dom: Any) -> None:
    shown = dom(inventories.large(), "#search=vm-0017")
    assert len(_rows(shown)) == 1000
    assert len([row for row in _rows(shown) if "hidden" not in row]) == 1


@programs.needs("chromium")
def test_a_browser_opens_what_a_link_leads_to(dom: Any) -> None:
    shown = dom(inventories.small(), "#p-damaged")
    assert len([each for each in shown.all("details") if "open" in each]) == 2

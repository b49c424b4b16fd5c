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

"""What retention keeps, against what one would count by hand."""

from __future__ import annotations

import datetime
from typing import Any, List

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nova_swift_handler import exceptions
from nova_swift_handler.catalog import retention
from nova_swift_handler.catalog.retention import Dated, Known, Policy

START = datetime.datetime(2026, 1, 5, 12)  # a Monday
PRIVATE = Known(False, "private")
QUEUED = Known(False, "private", "queued")

times = st.datetimes(datetime.datetime(2024, 12, 1), datetime.datetime(2026, 2, 1))
points = st.lists(st.tuples(times, st.sampled_from("vw")), max_size=40).map(
    lambda found: [Dated("%03d" % number, volume, stored, number)
                   for number, (stored, volume) in enumerate(found)])
policies = st.tuples(*[st.integers(0, 5)] * 4).filter(any).map(lambda rules: Policy(*rules))


def daily(days: int, a_day: int = 2) -> List[Dated]:
    return [Dated("%d-%d" % (day, number), "v",
                  START + datetime.timedelta(days=day, hours=number), day * a_day + number)
            for day in range(days) for number in range(a_day)]


def ids(policy: Policy, found: List[Dated]) -> List[str]:
    return sorted(retention.kept(found, policy))


def test_the_last_ones() -> None:
    assert ids(Policy(last=3), daily(3)) == ["1-1", "2-0", "2-1"]


def test_the_newest_of_each_day() -> None:
    assert ids(Policy(daily=2), daily(4)) == ["2-1", "3-1"]


def test_days_without_points_do_not_count() -> None:
    assert ids(Policy(daily=2), daily(1) + daily(40)[-2:]) == ["0-1", "39-1"]


def test_the_newest_of_each_week_and_month() -> None:
    assert ids(Policy(weekly=2), daily(15, 1)) == ["13-0", "14-0"]
    assert ids(Policy(monthly=2), daily(40, 1)) == ["26-0", "39-0"]  # 31 January, 13 February


def test_a_week_over_new_year_is_one() -> None:
    found = [Dated("a", "v", datetime.datetime(2024, 12, 31), 1),
             Dated("b", "v", datetime.datetime(2025, 1, 1), 2)]
    assert ids(Policy(weekly=5), found) == ["b"]


@pytest.mark.parametrize("rules", [{}, {"last": -1, "daily": 2}])
def test_a_policy_that_keeps_nothing_is_refused(rules: Any) -> None:
    with pytest.raises(exceptions.ConfigError):
        Policy(**rules)


@given(points, policies)
def test_the_newest_point_of_a_volume_always_stays(found: List[Dated], policy: Policy) -> None:
    plan = retention.plan(found, policy, {point.image_id: None for point in found}, True)
    assert sorted(verdict.point for verdict in plan) == sorted(found)
    for volume in {point.volume for point in found}:
        verdicts = [verdict for verdict in plan if verdict.point.volume == volume]
        assert verdicts[0].keep
        assert verdicts[0].point.stored == max(
            point.stored for point in found if point.volume == volume)


@given(points, policies)
def test_each_rule_keeps_as_many_periods_as_it_says_or_there_are(
        found: List[Dated], policy: Policy) -> None:
    found = [point for point in found if point.volume == "v"]
    kept = retention.kept(found, policy)
    periods = {"last": lambda point: point.image_id,
               "daily": lambda point: point.stored.strftime("%Y-%m-%d"),
               "weekly": lambda point: point.stored.strftime("%G-%V"),
               "monthly": lambda point: point.stored.strftime("%Y-%m")}
    for rule, period in periods.items():
        wanted = sorted({period(point) for point in found})[-getattr(policy, rule):] if getattr(
            policy, rule) else []
        chosen = [point for point in found if rule in kept.get(point.image_id, [])]
        if rule != "last":
            assert sorted(period(point) for point in chosen) == wanted
            for point in chosen:
                assert point.stored == max(other.stored for other in found
                                           if period(other) == period(point))
        else:
            assert len(chosen) == len(wanted)
            left = [point.stored for point in found if point not in chosen]
            assert not left or not chosen or max(left) <= min(each.stored for each in chosen)


@given(points, policies, policies)
def test_more_rules_never_keep_less(found: List[Dated], one: Policy, other: Policy) -> None:
    both = Policy(*(max(pair) for pair in zip(
        (one.last, one.daily, one.weekly, one.monthly),
        (other.last, other.daily, other.weekly, other.monthly))))
    found = [point for point in found if point.volume == "v"]
    assert set(retention.kept(found, one)) <= set(retention.kept(found, both))


@given(points, policies, st.booleans(), st.data())
def test_no_image_goes_that_must_stay(found: List[Dated], policy: Policy, with_images: bool,
                                      data: Any) -> None:
    known = st.sampled_from([None, PRIVATE, Known(True, "private"), Known(False, "shared"),
                             Known(False, "public"), QUEUED, "unknown"])
    images = {point.image_id: data.draw(known) for point in found}
    images = {image_id: image for image_id, image in images.items() if image != "unknown"}
    for verdict in retention.plan(found, policy, images, with_images):
        if not verdict.keep:
            image = images[verdict.point.image_id]
            assert image is None or (with_images and image == PRIVATE)


@given(points, policies, st.data())
def test_who_cannot_be_had_takes_nobodys_place(found: List[Dated], policy: Policy,
                                               data: Any) -> None:
    images = {point.image_id: data.draw(st.sampled_from([None, QUEUED, PRIVATE]))
              for point in found}
    had = [point for point in found if images[point.image_id] is PRIVATE]
    keeps = {point: keep for point, keep, _why in retention.plan(found, policy, images, True)}
    alone = {point: keep for point, keep, _why in retention.plan(had, policy, images, True)}
    assert all(keeps[point] for point, keep in alone.items() if keep)


@given(points, policies)
def test_what_went_does_not_change_what_is_kept(found: List[Dated], policy: Policy) -> None:
    images = {point.image_id: None for point in found}
    left = [verdict.point for verdict in retention.plan(found, policy, images, True)
            if verdict.keep]
    assert all(verdict.keep for verdict in retention.plan(left, policy, images, True))

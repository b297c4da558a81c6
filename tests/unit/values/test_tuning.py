"""The table of the autoscaler's settings, and their values as one text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.unit.values.tunings import allowed, tunings
from toilctl.cli.base.command import kebab
from toilctl.system import variables
from toilctl.values import tags
from toilctl.values.errors import UsageError
from toilctl.values.tuning import ORPHAN_TIMEOUT, SETTINGS, Setting, Tuning
from toilctl.values.units import exact, usd

VALUES = {name: float(variables.defaults()[name]) for name in SETTINGS}


def test_shared_defaults_are_a_tuning() -> None:
    assert Tuning.of(variables.defaults()).values == VALUES
    assert (VALUES["target_time_s"], VALUES["idle_timeout_s"]) == (1800, 300)


def test_text_has_all_settings_in_the_tables_order() -> None:
    assert str(Tuning.of(VALUES)).startswith("target_time_s=1800 beta_inertia=0.1 ")
    assert [word.partition("=")[0] for word in str(Tuning.of(VALUES)).split()] == list(SETTINGS)


@settings(deadline=None, max_examples=examples(200))
@given(tunings)
def test_any_tuning_comes_back_from_its_text(tuning: Tuning) -> None:
    assert Tuning.parse(str(tuning)) == tuning


@settings(deadline=None, max_examples=examples(50))
@given(st.data(), st.sampled_from(sorted(SETTINGS)))
def test_any_value_comes_back_from_its_text(data: st.DataObject, name: str) -> None:
    value = data.draw(allowed(SETTINGS[name]))
    assert SETTINGS[name].read(exact(value)) == value


@pytest.mark.parametrize(
    ("number", "text"),
    [(1234567, "1234567"), (0.3333333, "0.3333333"), (1e6, "1000000"), (0.1, "0.1"), (1800.0, "1800"), (-0.0, "0")],
)
def test_numbers_are_written_as_people_write_them(number: float, text: str) -> None:
    assert exact(number) == text


@pytest.mark.parametrize(("amount", "text"), [(12.5, "$12.50"), (500, "$500.00"), (0.125, "$0.125")])
def test_no_digit_of_an_amount_is_lost(amount: float, text: str) -> None:
    assert usd(amount) == text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("target_time_s", 0), ("target_time_s", float("inf")), ("beta_inertia", 0.95), ("beta_inertia", -0.1),
        ("scale_interval_s", 0), ("scale_interval_s", 7200), ("preemptible_compensation", 1.1),
        ("idle_timeout_s", -1), ("join_deadline_s", 0), ("beta_inertia", float("nan")),
        ("target_time_s", "soon"), ("target_time_s", None), ("target_time_s", True), ("idle_timeout_s", [1]),
    ],
)  # fmt: skip
def test_value_out_of_its_range_is_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(UsageError, match=name):
        Tuning.of({**VALUES, name: value})


@pytest.mark.parametrize(("name", "value"), [("beta_inertia", 0), ("beta_inertia", 0.9), ("idle_timeout_s", 0)])
def test_ends_of_a_range_are_allowed(name: str, value: float) -> None:
    assert Tuning.of({**VALUES, name: value}).values[name] == value


def test_setting_that_a_text_lacks_is_taken_from_elsewhere_or_refused_by_name() -> None:
    text = str(Tuning.of(VALUES)).replace("join_deadline_s=900", "")
    with pytest.raises(UsageError, match="join_deadline_s"):
        Tuning.parse(text)
    assert Tuning.parse(text, otherwise={"join_deadline_s": 60, "beta_inertia": 0.5}).values == {
        **VALUES, "join_deadline_s": 60
    }  # fmt: skip


def test_text_of_the_last_release_means_the_same() -> None:
    assert Tuning.parse("idle_timeout_s=1e+06", otherwise=VALUES).idle_timeout_s == 1_000_000


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("target_time_s", 1234567, "1234567 s"), ("preemptible_compensation", 0.3333333, "0.3333333"),
        ("budget_usd", 12.5, "$12.50"), ("budget_usd", 0, "no bound"), ("spot_fallback_after_s", 0, "never"),
        ("idle_timeout_s", 0, "0 s"), ("keep_limits", 0, "no"), ("keep_limits", 1, "yes"),
    ],
)  # fmt: skip
def test_values_as_people_read_them(name: str, value: float, said: str) -> None:
    assert SETTINGS[name].said(value) == said


@pytest.mark.parametrize(("value", "seconds"), [("0", 0), (0, 0), ("60", 60), (1800, 1800), (" 1800 ", 1800)])
def test_orphan_timeout_is_0_or_at_least_60_s(value: object, seconds: int) -> None:
    assert ORPHAN_TIMEOUT.read(value) == seconds


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ("59", "below 60"), (1, "below 60"), (0.5, "not a whole number of seconds"), (-1, "below 60"),
        ("1800.5", "not a whole number of seconds"), ("soon", "not a whole number of seconds"),
        ("inf", "not a whole number of seconds"), (True, "not a whole number of seconds"),
    ],
)  # fmt: skip
def test_orphan_timeout_that_cannot_be_says_what_can(value: object, fault: str) -> None:
    with pytest.raises(UsageError) as refused:
        ORPHAN_TIMEOUT.read(value)
    assert refused.value.message == f"{value!r} is {fault}."
    assert refused.value.next_step == "Write a whole number of seconds, at least 60, such as 1800; 0: never."


def test_usual_settings_leave_room_in_a_tag() -> None:
    long = {name: min(setting.most, 1234.56) for name, setting in SETTINGS.items()}
    assert len(str(Tuning.of(long))) <= tags.MAX_VALUE_LENGTH


@pytest.mark.parametrize("setting", [one for one in SETTINGS.values() if one.toil], ids=lambda one: one.toil)
def test_toils_spelling_becomes_the_flag(setting: Setting) -> None:
    assert f"--{kebab(setting.toil.removeprefix('--'))}" == setting.flag

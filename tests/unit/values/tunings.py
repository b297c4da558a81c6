"""Any settings of the autoscaler that can be."""

from __future__ import annotations

from hypothesis import strategies as st

from toilctl.values.tuning import SETTINGS, Setting, Tuning, Unit


def allowed(setting: Setting) -> st.SearchStrategy[float]:
    """Any value that a setting can have, those that people write among them."""
    if setting.unit is Unit.SWITCH:
        return st.sampled_from([0.0, 1.0])
    most = min(setting.most, 1e300)
    any_number = st.floats(setting.least, most, allow_nan=False)
    return any_number | st.integers(int(setting.least), int(min(most, 1e9))).map(float) | any_number.map(
        lambda number: min(max(round(number, 7), setting.least), most)
    )  # fmt: skip


tunings = st.builds(Tuning, **{name: allowed(setting) for name, setting in SETTINGS.items()})

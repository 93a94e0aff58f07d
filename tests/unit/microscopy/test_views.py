"""A view's text gives the same view again, and says what is wrong with any other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maskrcnn_core.errors import InputError
from maskrcnn_core.microscopy.views import COLORS, ChannelView, Contrast, View, view_of

_finite = st.floats(-1e9, 1e9, allow_nan=False)
_contrasts = st.one_of(
    st.sampled_from([Contrast(), Contrast("full")]),
    st.tuples(st.floats(0, 100), st.floats(0, 100))
    .filter(lambda e: e[0] != e[1])
    .map(lambda e: Contrast("percent", *e)),
    st.tuples(_finite, _finite).filter(lambda e: e[0] != e[1]).map(lambda e: Contrast("values", *e)),
)
_places = st.one_of(st.just("max"), st.integers(1, 10_000))


@st.composite
def _resolved(draw):
    numbers = draw(st.lists(st.integers(1, 99), unique=True, max_size=6))
    colors = st.sampled_from(sorted(COLORS.values()))
    channels = tuple(ChannelView(n, draw(colors), draw(_contrasts)) for n in numbers)
    return View(draw(_places), draw(_places), channels, Contrast() if channels else draw(_contrasts))


@given(_resolved())
def test_the_text_of_a_view_gives_it_again(view):
    assert View.of_text(view.text) == view


def test_what_options_say():
    view = view_of("2", "MAX", "DAPI:blue, 2:#0F0F0F,3", "3:100..4000,DAPI:0.1%..99.9%")
    assert view.page == 2 and view.z == "max"
    assert view.channels == (
        ChannelView("DAPI", "#0000ff", Contrast("percent", 0.1, 99.9)),
        ChannelView(2, "#0f0f0f"),
        ChannelView(3, "", Contrast("values", 100, 4000)),
    )
    assert view_of(contrast="full").contrast == Contrast("full")
    assert view_of() == View()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"page": "0"}, "page: expected a number from 1 on, or max, got 0"),
        ({"z": "3.5"}, "z: expected a number from 1 on, or max, got '3.5'"),
        ({"channels": "1:pink"}, r"channels: expected a colour \(red, green, .*, got 'pink'"),
        ({"channels": "1,1:red"}, "channels: expected each channel once, got 1,1:#ff0000"),
        ({"channels": ":red"}, "channels: expected a channel's number or name"),
        ({"contrast": "1..2..3"}, "contrast: expected auto, full, percentiles"),
        ({"contrast": "5..5"}, "contrast: expected two different numbers"),
        ({"contrast": "nan..5"}, "contrast: expected two different numbers"),
        ({"contrast": "5%..400%"}, "contrast: expected percentiles of 0% to 100%"),
        ({"contrast": "5%..9"}, "contrast: expected auto, full, percentiles"),
        (
            {"contrast": "2:1..9"},
            r"contrast: expected channels that are seen \(none that --channels names\), got '2'",
        ),
        (
            {"channels": "1,2", "contrast": "1..9,2:5..7"},
            "contrast: expected a channel before each of several",
        ),
    ],
)
def test_what_makes_no_view_is_said(given, message):
    with pytest.raises(InputError, match=message):
        view_of(**given)


@pytest.mark.parametrize("text", ["page", "page=1;page=2", "colour=3", "x" * 3000])
def test_a_text_that_is_no_view_is_refused(text):
    with pytest.raises(InputError, match="view: expected"):
        View.of_text(text)

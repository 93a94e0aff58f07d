"""The first colors can be told apart, by people who do not see red and green, too, on dark and on light."""

import itertools

import numpy as np
import pytest

from maskrcnn_core.drawing.palette import category_color, hex_color, instance_color

FIRST = {
    "instances": [instance_color(i) for i in range(12)],
    "categories from 1": [category_color(i) for i in range(1, 13)],
    "categories from 0": [category_color(i) for i in range(12)],
}

# On linear RGB: Machado, Oliveira and Fernandes 2009, severity 1.0; Vienot, Brettel and Mollon 1999.
_LMS = np.array([[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]])


def vienot(in_lms):
    return np.linalg.inv(_LMS) @ np.array(in_lms) @ _LMS


VISION = {
    "normal": np.eye(3),
    "protanopia, Machado": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia, Machado": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]]
    ),
    "protanopia, Vienot": vienot([[0, 2.02344, -2.52581], [0, 1, 0], [0, 0, 1]]),
    "deuteranopia, Vienot": vienot([[1, 0, 0], [0.494207, 0, 1.24827], [0, 0, 1]]),
}


def linear(colors):
    """sRGB (IEC 61966-2-1) 0..255 to linear 0..1."""
    values = np.asarray(colors, np.float64) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(linear_rgb):
    """CIE L*a*b* under D65."""
    to_xyz = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    xyz = np.clip(linear_rgb, 0, 1) @ to_xyz.T / to_xyz.sum(axis=1)
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return 116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])


def ciede2000(one, other):
    """The colour difference of Sharma, Wu and Dalal 2005, in their symbols."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    c7 = ((np.hypot(a1, b1) + np.hypot(a2, b2)) / 2) ** 7
    g = 1.5 - 0.5 * np.sqrt(c7 / (c7 + 25**7))
    c1, c2 = np.hypot(a1 * g, b1), np.hypot(a2 * g, b2)
    h1, h2 = np.degrees(np.arctan2(b1, a1 * g)) % 360, np.degrees(np.arctan2(b2, a2 * g)) % 360
    dh = 0.0 if c1 * c2 == 0 else (h2 - h1 + 180) % 360 - 180
    big_dh = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(dh / 2))
    mean_h = h1 + h2 if c1 * c2 == 0 else (h1 + dh / 2) % 360
    mean_l, mean_c = (l1 + l2) / 2, (c1 + c2) / 2
    t = (
        1
        - 0.17 * np.cos(np.radians(mean_h - 30))
        + 0.24 * np.cos(np.radians(2 * mean_h))
        + 0.32 * np.cos(np.radians(3 * mean_h + 6))
        - 0.2 * np.cos(np.radians(4 * mean_h - 63))
    )
    sl = 1 + 0.015 * (mean_l - 50) ** 2 / np.sqrt(20 + (mean_l - 50) ** 2)
    sc, sh = 1 + 0.045 * mean_c, 1 + 0.015 * mean_c * t
    rc = 2 * np.sqrt(mean_c**7 / (mean_c**7 + 25**7))
    rt = -rc * np.sin(np.radians(60 * np.exp(-(((mean_h - 275) / 25) ** 2))))
    dl, dc, dh = (l2 - l1) / sl, (c2 - c1) / sc, big_dh / sh
    return float(np.sqrt(dl**2 + dc**2 + dh**2 + rt * dc * dh))


def least(colors, vision):
    seen = [lab(VISION[vision] @ color) for color in linear(colors)]
    return min(ciede2000(one, other) for one, other in itertools.combinations(seen, 2))


@pytest.mark.parametrize(
    ("one", "other", "difference"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 0, 0), (50, -1, 2), 2.3669),
        ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
        ((50, 2.5, 0), (61, -5, 29), 22.8977),
        ((50, 2.5, 0), (56, -27, -3), 31.9030),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619), 2.0373),
        ((2.0776, 0.0795, -1.1350), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_the_difference_is_that_of_the_published_pairs(one, other, difference):
    """Of table 1 in Sharma, Wu and Dalal, Color Research and Application 30 (2005)."""
    assert ciede2000(one, other) == pytest.approx(difference, abs=1e-4)
    assert ciede2000(other, one) == pytest.approx(difference, abs=1e-4)


@pytest.mark.parametrize("colors", FIRST.values(), ids=FIRST.keys())
@pytest.mark.parametrize("vision", list(VISION)[1:])
def test_the_first_colors_differ_for_those_who_do_not_see_red_and_green(colors, vision):
    assert least(colors[:8], vision) >= 8
    assert least(colors, vision) >= 5


@pytest.mark.parametrize("colors", FIRST.values(), ids=FIRST.keys())
def test_the_first_colors_are_far_apart_for_everybody(colors):
    assert least(colors[:8], "normal") >= 23.8
    assert least(colors, "normal") >= 14


@pytest.mark.parametrize("colors", FIRST.values(), ids=FIRST.keys())
def test_the_first_colors_stand_out_on_white_and_on_black(colors):
    """By the contrast ratio of WCAG 2.2."""
    luminance = linear(colors) @ (0.2126, 0.7152, 0.0722)
    assert ((luminance + 0.05) / 0.05 >= 2.5).all()
    assert (1.05 / (luminance + 0.05) >= 2.5).all()


def test_colors_go_on_without_end_and_any_id_has_one():
    many = [instance_color(i) for i in range(100)]
    assert len(set(many)) >= 95
    assert all(0 <= value <= 255 for id_ in (-7, 0, 90, 10**12) for value in category_color(id_))
    assert hex_color((1, 171, 255)) == "#01abff"

"""What a page holds is what was meant: images exactly, and large layers to half a step."""

import base64

import numpy as np
import pytest

from twofold.report.page.encoding import image_of, rounded

KINDS = {1: "u1", 2: "<u2", 4: "<f4"}


def images():
    """An image, by how it is pooled, and the bytes that a pixel of it takes."""
    random = np.random.default_rng(0)
    whole = random.integers(0, 256, (3, 8, 8)).astype(np.float32)
    pooled = whole.reshape(3, 4, 2, 4, 2).mean(axis=(2, 4))
    return [(whole, 1, 1), (pooled, 2, 2), (whole / 255, 1, 4), (whole - 300, 1, 4)]


@pytest.mark.parametrize(("image", "pool", "size"), images())
def test_an_image_comes_back_as_it_was(image, pool, size):
    held = image_of(image, pool)
    assert held["bytes"] == size
    values = np.frombuffer(base64.b64decode(held["values"]), KINDS[size]).astype(np.float64) / held["parts"]
    np.testing.assert_array_equal(values.astype(np.float32), image.ravel())


def test_weights_are_rounded_by_half_a_step_of_their_unit_at_most():
    random = np.random.default_rng(1)
    weight = random.normal(size=(2, 3, 3, 5, 7)) * 10.0 ** random.integers(-3, 3, (2, 1, 1, 1, 7))
    weight[0, ..., 2] = 0
    held = rounded(weight)
    steps = np.frombuffer(base64.b64decode(held["steps"]), "<f4").reshape(2, 1, 1, 1, 7)
    back = np.frombuffer(base64.b64decode(held["rounded"]), "i1").reshape(weight.shape) * steps
    assert (np.abs(back - weight) <= 0.501 * steps).all()
    assert (np.abs(steps[1] - np.abs(weight[1]).max(axis=(0, 1, 2)) / 127) < 1e-3 * steps[1]).all()

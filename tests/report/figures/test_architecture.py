"""Figure 1: the drawing of a network says what the network is."""

import itertools

import pytest

from twofold.data import Task
from twofold.networks import NETWORKS, find_network
from twofold.report.figures.architecture import figure1
from twofold.report.text.networks import NetworkFacts


def layers_of(network, image_size):
    return network.structure().layers(Task(*image_size, channels=1, classes=10))


def facts_of(architecture, image_size=(14, 14)):
    """What the command tells the drawing."""
    layers = layers_of(architecture, image_size)
    return NetworkFacts(architecture.name, architecture.weight_sharing, architecture.auxiliary_losses, layers)


def drawn(architecture, image_size=(14, 14)):
    """The texts in the drawing, one string each."""
    figure = figure1(facts_of(architecture, image_size))
    return [text.get_text() for text in figure.axes[0].texts]


@pytest.mark.parametrize("name", NETWORKS)
def test_the_drawing_says_what_the_flags_say(name):
    architecture = NETWORKS[name]
    words = " ".join(drawn(architecture))
    assert ("share their weights" in words) == architecture.weight_sharing
    assert ("weights of its own" in words) != architecture.weight_sharing
    assert words.count("auxiliary loss") == (2 if architecture.auxiliary_losses else 0)
    assert figure1(facts_of(architecture)).axes[0].get_title(loc="left") == name


@pytest.mark.parametrize("image_size", [(14, 14), (16, 22), (10, 10)])
def test_the_shapes_are_those_of_the_network(image_size):
    texts = drawn(NETWORKS["NetBase"], image_size)
    shapes = [row.output_shape for row in layers_of(NETWORKS["NetBase"], image_size)]
    for shape in shapes:
        assert "×".join(map(str, shape)) in texts


@pytest.mark.parametrize("name", NETWORKS)
def test_no_text_lies_over_another_or_outside(name):
    figure = figure1(facts_of(find_network(name)))
    figure.canvas.draw()
    (axes,) = figure.axes
    boxes = [(text.get_text(), text.get_window_extent()) for text in axes.texts if text.get_text()]
    for (one, a), (two, b) in itertools.combinations(boxes, 2):
        assert not a.overlaps(b), f"{one!r} lies over {two!r}"
    for text, box in boxes:
        assert figure.bbox.x0 <= box.x0, text
        assert box.x1 <= figure.bbox.x1, text
        assert figure.bbox.y0 <= box.y0, text
        assert box.y1 <= figure.bbox.y1, text


def test_channels_and_the_question_are_those_of_the_images():
    layers = NETWORKS["NetWSAL"].structure().layers(Task(32, 32, channels=3, classes=4))
    figure = figure1(NetworkFacts("NetWSAL", True, True, layers, relation="a == 'cat'"))
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert "32×32×3" in texts
    assert "main loss:\na == 'cat'?" in texts
    assert "14×14" in drawn(NETWORKS["NetWSAL"])

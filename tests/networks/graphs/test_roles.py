"""What the outputs of a network are, by their shapes; and that it is trained on what it should be."""

import functools
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: networks of one's own need it")

from torch import nn

from twofold.data import RELATIONS, Task, find_relation
from twofold.errors import NetworkError
from twofold.native import quickly
from twofold.networks.graphs.structure import relation_logits
from twofold.networks.pytorch.loading import OwnModule as Own
from twofold.settings import Settings

TASK = Task(6, 5, channels=1, classes=4)
IMAGES = np.random.default_rng(0).uniform(size=(25, 2, 6, 5)).astype(np.float32)


def network(forward, inputs=60, outputs=2):
    """A network of one linear layer with this way from pairs to outputs."""

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.answer = nn.Linear(inputs, outputs)
            self.classes = nn.Linear(30, 4)

        def both(self, pairs):
            return self.classes(pairs[:, 0].flatten(1)), self.classes(pairs[:, 1].flatten(1))

        def forward(self, pairs):
            return forward(self, pairs)

    return Net


def flat(pairs):
    return pairs.flatten(1)


ANSWERS = {
    "two logits": (2, lambda net, x: net.answer(flat(x)), "two logits", False),
    "log-probabilities": (2, lambda net, x: torch.log_softmax(net.answer(flat(x)), -1), "two logits", False),
    "two probabilities": (2, lambda net, x: torch.softmax(net.answer(flat(x)), 1), "two logits", True),
    "one logit (n, 1)": (1, lambda net, x: net.answer(flat(x)), "one logit", False),
    "one logit (n,)": (1, lambda net, x: net.answer(flat(x)).squeeze(), "one logit", False),
    "a probability": (1, lambda net, x: torch.sigmoid(net.answer(flat(x))), "one logit", True),
    "a probability (n,)": (1, lambda net, x: torch.sigmoid(net.answer(flat(x))).squeeze(1), "one logit", True),
    "a tuple of one": (2, lambda net, x: (net.answer(flat(x)),), "two logits", False),
    "beside None": (2, lambda net, x: (None, net.answer(flat(x)), None), "two logits", False),
    "in a dict": (2, lambda net, x: {"answer": net.answer(flat(x)), "more": None}, "two logits", False),
}

CLASSES = {
    "apart": (lambda net, x: net.both(x), "apart"),
    "stacked": (lambda net, x: torch.stack(net.both(x), 1), "stacked"),
    "stacked first": (lambda net, x: torch.stack(net.both(x)), "stacked first"),
    "halves": (lambda net, x: torch.cat(net.both(x)), "halves"),
}


def structure(make):
    return Own("Net", make, TASK, None, NOTHING, "").structure(Settings())


class Nothing:
    def __enter__(self): ...

    def __exit__(self, *_): ...


def NOTHING():
    return Nothing()


def outputs_of(structure, images=IMAGES):
    variables = structure.initial(0, 0)
    apply = jax.jit(lambda v, i: structure.apply(v, i, {}, training=True), compiler_options=quickly.OPTIONS)
    return variables, apply(variables, images)[0]


@pytest.mark.parametrize("kind", ANSWERS)
def test_the_answer_is_told_by_its_shape_and_probabilities_are_taken_back_to_logits(kind):
    count, forward, answer, taken = ANSWERS[kind]
    found = structure(network(forward, outputs=count))
    assert (found.roles.answer, found.roles.classes, found.roles.logits_taken) == (answer, None, taken)
    variables, outputs = outputs_of(found)
    weight, bias = variables.parameters
    expected = IMAGES.reshape(25, -1) @ weight.T + bias
    if count == 1:
        expected = np.concatenate([np.zeros((25, 1)), expected], axis=1)
    theirs, ours = (jax.nn.log_softmax(each) for each in (expected, outputs.logits))
    np.testing.assert_allclose(ours, theirs, atol=1e-5)
    assert outputs.class_logits is None


def test_what_is_made_of_whole_numbers_has_no_role():
    def forward(net, x):
        a, b = net.both(x)
        return (a.argmax(1) <= b.argmax(1)).long(), a > 0, a, b

    found = structure(network(forward)).roles
    assert (found.answer, found.classes, len(found.unused)) == ("class predictions alone", "apart", 2)
    with pytest.raises(NetworkError, match="gives a role to whole numbers"):
        Own("Net", network(forward), TASK, ("answer", "unused", "classes", "classes"), NOTHING, "")


def test_whole_numbers_alone_are_refused():
    with pytest.raises(NetworkError, match="whole, Boolean or complex numbers, through which there is no gradient"):
        Own("Net", network(lambda net, x: net.answer(flat(x)).argmax(1)), TASK, None, NOTHING, "")


@functools.cache
def squeezed_and(kind):
    """A network whose answer is squeezed, with class predictions of this kind: its roles are found once."""
    predict = CLASSES.get(kind, (lambda net, x: [each.squeeze() for each in net.both(x)],))[0]

    def forward(net, x):
        predictions = predict(net, x)
        several = predictions if isinstance(predictions, tuple | list) else (predictions,)
        return (net.answer(flat(x)).squeeze(), *several)

    return Own("Net", network(forward), TASK, None, NOTHING, "")


@pytest.mark.parametrize("batch_size", [1, 2, 10, 50])
@pytest.mark.parametrize("kind", [*CLASSES, "squeezed"])
def test_roles_are_the_same_for_every_batch_size(kind, batch_size):
    own = squeezed_and(kind)
    found = own.structure(Settings(batch_size=batch_size))
    images = IMAGES[:1].repeat(batch_size, 0)
    # Shapes need no compiled program.
    outputs, _ = jax.eval_shape(lambda v, i: found.apply(v, i, {}, training=True), found.initial(0, 0), images)
    assert found.roles is own.roles
    assert outputs.logits.shape == (batch_size, 2)
    assert outputs.class_logits.shape == (batch_size, 2, 4)


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("kind", CLASSES)
def test_class_predictions_are_told_by_their_shape(kind, alone):
    predict, layout = CLASSES[kind]

    def forward(net, x):
        predictions = predict(net, x)
        several = predictions if isinstance(predictions, tuple) else (predictions,)
        return several if alone else (net.answer(flat(x)), *several)

    found = structure(network(forward))
    assert found.roles.classes == layout
    assert found.roles.answer == ("class predictions alone" if alone else "two logits")
    variables, outputs = outputs_of(found)
    weight, bias = (next(p for p in variables.parameters if p.shape == shape) for shape in ((4, 30), (4,)))
    expected = IMAGES.reshape(25, 2, -1) @ weight.T + bias
    np.testing.assert_allclose(outputs.class_logits, expected, atol=1e-5)
    if alone:
        np.testing.assert_allclose(np.exp(outputs.logits).sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("relation", RELATIONS)
def test_the_probability_of_the_relation_is_summed_over_the_classes(relation):
    logits = np.random.default_rng(1).normal(size=(3, 2, 4)).astype(np.float32)
    probability = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    expected = np.zeros(3)
    for first in range(4):
        for second in range(4):
            if RELATIONS[relation](np.array([first]), np.array([second]))[0]:
                expected += probability[:, 0, first] * probability[:, 1, second]
    found = np.exp(relation_logits(jnp.asarray(logits), find_relation(relation, tuple("0123")).answers))
    np.testing.assert_allclose(found[:, 1], expected, rtol=1e-5)
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-5)


REFUSED = {
    "two answers": lambda net, x: (net.answer(flat(x)), net.answer(flat(x))[:, 0]),
    "none": lambda net, x: net.answer(flat(x))[:, None, :],
    "one image's classes": lambda net, x: (net.answer(flat(x)), net.both(x)[0]),
    "three": lambda net, x: (net.answer(flat(x)), *net.both(x), net.both(x)[0]),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_ambiguous_is_refused_with_the_shapes(kind):
    with pytest.raises(NetworkError, match=re.escape("Net: its outputs are ")) as error:
        structure(network(REFUSED[kind]))
    assert "\n" not in str(error.value)
    assert "(n, 2), (n, 1) or (n,)" in str(error.value)


def test_what_is_ambiguous_can_be_said():
    def forward(net, x):
        return net.answer(flat(x)), net.answer(flat(x))[:, 0]

    own = Own("Net", network(forward), TASK, ("unused", "answer"), NOTHING, "")
    assert own.roles.answer == "one logit"
    with pytest.raises(NetworkError, match=r"must say of each of its 2 outputs"):
        Own("Net", network(forward), TASK, ("answer",), NOTHING, "")


ROWS = {
    "halves": lambda x: torch.cat([x[:, 0], x[:, 1]]).flatten(1),
    "successive rows": lambda x: x.reshape(-1, 30),
}


@pytest.mark.parametrize("kind", ROWS)
def test_rows_of_both_images_are_in_the_order_in_which_the_network_gives_them(kind):
    found = structure(network(lambda net, x: (net.answer(flat(x)), net.classes(ROWS[kind](x)))))
    assert found.roles.classes == kind
    variables, outputs = outputs_of(found)
    weight, bias = (next(p for p in variables.parameters if p.shape == shape) for shape in ((4, 30), (4,)))
    np.testing.assert_allclose(outputs.class_logits, IMAGES.reshape(25, 2, -1) @ weight.T + bias, atol=1e-5)


class Embed(nn.Module):
    """Gives embeddings of five numbers, in the way that `give` makes of them."""

    def __init__(self, give):
        super().__init__()
        self.branch, self.give = nn.Linear(30, 5), give

    def forward(self, pairs):
        return self.give(*(self.branch(pairs[:, place].flatten(1)) for place in (0, 1)))


EMBEDDINGS = {
    "apart": lambda a, b: (a, b),
    "stacked": lambda a, b: torch.stack([a, b], 1),
    "stacked first": lambda a, b: {"both": torch.stack([a, b]), "labels": a.argmax(1)},
    "successive rows": lambda a, b: torch.stack([a, b], 1).flatten(0, 1),
    "halves": lambda a, b: (torch.cat([a, b]).argmax(1), None, torch.cat([a, b])),
}


@functools.cache
def embedding(kind):
    return Own("Net", lambda: Embed(EMBEDDINGS[kind]), TASK, None, NOTHING, "")


@pytest.mark.parametrize("batch_size", [1, 25])
@pytest.mark.parametrize("kind", EMBEDDINGS)
def test_embeddings_are_what_is_neither_an_answer_nor_class_predictions(kind, batch_size):
    found = embedding(kind).structure(Settings(batch_size=batch_size, relation="=="))
    assert (found.roles.embeddings, found.roles.width, found.roles.classes) == (kind, 5, None)
    images = IMAGES[:batch_size]
    variables, outputs = outputs_of(found, images)
    weight, bias = (next(p for p in variables.parameters if p.ndim == axes) for axes in (2, 1))
    np.testing.assert_allclose(outputs.embeddings, images.reshape(-1, 2, 30) @ weight.T + bias, atol=1e-5)
    assert outputs.logits is outputs.class_logits is None
    assert found.numbers(Settings(relation="==", contrastive_margin=3.0)) == {"contrastive_margin": 3.0, "alike": 1.0}


class OneOrTwo(nn.Module):
    """Of one image its embedding, of two the embeddings of both, or an answer."""

    def __init__(self, answers):
        super().__init__()
        self.branch, self.head, self.answers = nn.Linear(30, 5), nn.Linear(5, 1), answers

    def forward(self, left, right=None):
        if right is None:
            return self.branch(left.flatten(1))
        both = self.branch(left.flatten(1)), self.branch(right.flatten(1))
        return self.head(abs(both[0] - both[1])) if self.answers else both


def test_what_could_be_given_one_image_is_given_both():
    for answers, role in ((True, "answer"), (False, "embedding")):
        own = Own("Net", lambda answers=answers: OneOrTwo(answers), TASK, None, NOTHING, "")
        assert own.exported.convention.name == "two images"
        assert set(own.roles.of_outputs) == {role}


class OfOne(nn.Module):
    """The embedding of one image, and no more, though it takes a mask."""

    def __init__(self):
        super().__init__()
        self.branch = nn.Conv2d(1, 5, (6, 5))

    def forward(self, image, mask=None):
        return self.branch(image if mask is None else image * mask).flatten(1)


def test_what_is_given_rows_gives_embeddings_in_their_order():
    own = Own("Net", OfOne, TASK, None, NOTHING, "")
    assert (own.exported.convention.name, own.roles.embeddings) == ("rows", "successive rows")


def test_embeddings_of_as_many_numbers_as_there_are_classes_have_to_be_said():
    make = network(lambda net, x: net.both(x))
    unsaid = Own("Net", make, TASK, None, NOTHING, "")
    assert unsaid.roles.answer == "class predictions alone"
    said = Own("Net", make, TASK, ("embedding", "embedding"), NOTHING, "")
    assert (said.roles.embeddings, said.roles.width) == ("apart", 4)
    assert said.identity != unsaid.identity
    assert (said.uses, unsaid.uses) == ({"contrastive_margin"}, {"aux_weight"})


NO_EMBEDDINGS = {
    "one image's": lambda a, b: a,
    "of different widths": lambda a, b: (a, b[:, :3]),
    "three": lambda a, b: (a, b, a),
    "of two numbers": lambda a, b: (a[:, :2], b[:, :2]),
}


@pytest.mark.parametrize("kind", NO_EMBEDDINGS)
def test_what_could_be_other_than_embeddings_is_refused(kind):
    with pytest.raises(NetworkError, match=re.escape("or no answer, and two embeddings of (n, d)")) as error:
        Own("Net", lambda: Embed(NO_EMBEDDINGS[kind]), TASK, None, NOTHING, "")
    remedy = {
        "of two numbers": "network(Net, outputs=['embedding', 'embedding'])",
        "three": "network(Net, outputs=['embedding', 'embedding', 'unused'])",
    }.get(kind)
    assert ("network(Net" in str(error.value)) == (remedy is not None)
    assert remedy is None or remedy in str(error.value)


def test_a_distance_beside_embeddings_is_refused_with_what_gives_them():
    make = lambda: Embed(lambda a, b: ((a - b).norm(dim=1), a, b))  # noqa: E731
    with pytest.raises(NetworkError, match=r"never below 0, as a distance is, .* give embeddings alone") as error:
        Own("Net", make, TASK, None, NOTHING, "")
    meant = ("unused", "embedding", "embedding")
    assert f"network(Net, outputs={list(meant)})" in str(error.value)
    assert Own("Net", make, TASK, meant, NOTHING, "").roles.embeddings == "apart"


def test_a_role_for_an_answer_beside_embeddings_is_refused():
    make = lambda: Embed(lambda a, b: (a[:, :2], a, b))  # noqa: E731
    assert Own("Net", make, TASK, None, NOTHING, "").roles.answer == "two logits"
    with pytest.raises(NetworkError, match="does not fit its outputs"):
        Own("Net", make, TASK, ("answer", "embedding", "embedding"), NOTHING, "")

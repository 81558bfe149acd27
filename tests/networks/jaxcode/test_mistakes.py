"""What is said of networks in JAX that cannot be trained: one line, with the cause and what to do."""

import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from twofold.data import Task
from twofold.errors import NetworkError
from twofold.networks.own import network, resolve

TASK = Task(8, 8, channels=1, classes=10)
SIZE = (128, 2)


def weights(size=SIZE):
    return jnp.asarray(np.linspace(-1, 1, size[0] * size[1], dtype=np.float32).reshape(size))


class Net(eqx.Module):
    """A network of products, for others to spoil."""

    w: jax.Array

    def __init__(self):
        self.w = weights()

    def __call__(self, pair):
        return pair.ravel() @ self.w


class Noisy(Net):
    def __call__(self, pair, *, key):
        return (pair + jax.random.normal(key, pair.shape)).ravel() @ self.w


class Choosing(Net):
    def __call__(self, pair):
        return pair.ravel() @ self.w if pair.sum() > 0 else pair.ravel() @ -self.w


class Whole(Net):
    def __call__(self, pair):
        return jnp.argmax(pair.ravel() @ self.w)


class Unused(Net):
    def __call__(self, pair):
        return pair[:, 0, 0]


class Larger(Net):
    def __init__(self):
        self.w = weights((392, 2))


class Keyless(Net):
    def __call__(self, pair):
        return eqx.nn.Dropout(0.5)(pair).ravel() @ self.w


class Distance(Net):
    def __call__(self, left, right):
        return jnp.abs(jnp.sum((left - right) * self.w[:64, 0].reshape(8, 8)))


class Three(Net):
    def __call__(self, left, right, other):
        return left.ravel() @ self.w[:64]


class Twice(Net):
    again: jax.Array

    def __init__(self):
        self.w = self.again = weights()


class Counting(Net):
    calls: eqx.nn.StateIndex

    def __init__(self):
        self.w, self.calls = weights(), eqx.nn.StateIndex(jnp.zeros(()))


class OfEach(Counting):
    def __call__(self, pair, state):
        return pair.ravel() @ self.w, state.set(self.calls, pair.sum())


class Forgetting(Counting):
    def __call__(self, pair, state):
        return pair.ravel() @ self.w


class AnotherAxis(Net):
    def __call__(self, pair):
        return (pair - jax.lax.pmean(pair, "devices")).ravel() @ self.w


class NoCall(eqx.Module):
    w: jax.Array

    def __init__(self):
        self.w = weights()


class Complex(Net):
    def __init__(self):
        self.w = weights() * 1j

    def __call__(self, pair):
        return (pair.ravel() @ self.w).real


class Short(Net):
    def __init__(self):
        self.w = weights().astype(jnp.bfloat16)

    def __call__(self, pair):
        return pair.ravel() @ self.w


class Keeping(Net):
    key: jax.Array

    def __init__(self):
        self.w, self.key = weights(), jax.random.key(0)


class Failing(Net):
    def __init__(self):
        raise KeyError("width")


class Silent(Net):
    def __call__(self, pair):
        pair.ravel() @ self.w


class WithNumPy(Net):
    def __call__(self, pair):
        return np.asarray(pair).ravel() @ self.w


class Jitted(Net):
    layers: eqx.nn.MLP

    def __init__(self):
        self.w, self.layers = weights(), eqx.nn.MLP(128, 2, 4, 1, key=jax.random.key(0))

    def __call__(self, pair):
        return jax.jit(self.layers)(pair.ravel())


class JittedCall(Jitted):
    @jax.jit
    def __call__(self, pair):
        return self.layers(pair.ravel())


def stateless():
    return lambda key: weights(), lambda parameters, pairs, state: (pairs.reshape(len(pairs), -1) @ parameters, state)


REFUSED = {
    Noisy: r"Noisy \(.*test_mistakes.py:\d+\): jax.random draws random numbers in evaluation too.*training",
    Choosing: r"Choosing \(.*test_mistakes.py:\d+\): what is computed depends on the numbers in an array.*jnp.where",
    Whole: r"Whole: its outputs \(\(n,\)\) are whole, Boolean or complex numbers, through which there is no gradient",
    Unused: "Unused: its outputs depend on no parameters, so that there is nothing to train",
    Larger: r"Larger: no images that could be given fit: one pair \(2, 8, 8\), one pair with channels \(2, 1, 8, 8\): "
    r"[^;]*128[^;]*; pairs \(25, 2, 8, 8\), pairs with channels[^;]*: [^;]*; "
    r"images are 8 x 8 here: take one pair \(2, h, w\)",
    Keyless: r"Keyless \(.*\): a layer draws random numbers and is given no key; write def __call__",
    Distance: "Distance: its answer is never below 0, as a distance is",
    Three: r"Three: it must be given 3 arguments \(left, right, other\); it can be given one \(the pair\) or two",
    Twice: "Twice: w and again are one array, which JAX trains as two; keep it under one name.*equinox.nn.Shared",
    Counting: r"Counting: it has state, as batch normalisation has, and takes none; write def __call__",
    OfEach: r"OfEach.*: its state differs between the pairs of a batch; make it of the whole batch",
    Forgetting: r"Forgetting.*: it takes a state, so it must return \(outputs, state\)",
    AnotherAxis: r"AnotherAxis \(.*\): its batch normalisation reads another axis than there is; build it",
    NoCall: r"NoCall: its class has no __call__; write def __call__\(self, pair\)",
    Complex: "Complex: w is complex; keep its real and its imaginary part as two arrays",
    Short: "Short: w has numbers of bfloat16, and weights are trained in float32; leave its dtype out",
    Keeping: "Keeping: it keeps a key, key; take the argument key instead, which is new in each step",
    Failing: "Failing cannot be made: KeyError: 'width'",
    Silent: "Silent: it returns no numbers; end it with return",
    WithNumPy: r"WithNumPy \(.*test_mistakes.py:\d+\): it leaves JAX with NumPy, as np.asarray does; use jax.numpy",
    Jitted: r"Jitted \(.*test_mistakes.py:\d+\): it gives jax.jit a module, of which not all is arrays; leave jax.jit",
    JittedCall: r"JittedCall.*: it gives jax.jit a module, of which not all is arrays; leave jax.jit out",
    stateless: r"stateless: its apply takes a state, so init must return \(parameters, state\)",
}


@pytest.mark.parametrize("make", REFUSED, ids=lambda make: make.__name__)
def test_a_network_that_cannot_be_trained_is_refused_in_one_line(make):
    with pytest.raises(NetworkError) as caught:
        resolve([network(make)], TASK)
    said = str(caught.value)
    assert re.match(REFUSED[make], said), said
    assert "\n" not in said


@pytest.mark.parametrize(("count", "convention"), [(1, "one pair"), (2, "one pair as two images")])
def test_what_takes_any_number_of_images_is_given_what_it_can_be(count, convention):
    class AnyNumber(Net):
        def __call__(self, *images):
            first, *others = images
            assert len(others) == count - 1
            return jnp.concatenate([first, *others]).ravel() @ self.w

    (found,) = resolve([network(AnyNumber)], TASK)
    assert found.description["convention"] == convention


def test_random_numbers_of_others_are_refused():
    class Spoilt(Net):
        def __call__(self, pair):
            return np.random.normal() * pair.ravel() @ self.w  # noqa: NPY002

    with pytest.raises(NetworkError, match=r"draws from Python's or NumPy's random numbers.*jax.random from key"):
        resolve([network(Spoilt)], TASK)


def test_a_network_that_is_made_already_and_what_is_none_are_refused():
    with pytest.raises(NetworkError, match="has been made already, and each round begins with fresh weights"):
        resolve([network(Net())], TASK)
    with pytest.raises(NetworkError, match=r"gives a tuple, and no network: .*, or two functions"):
        resolve([network(lambda: (1, 2))], TASK)


def test_two_levels_that_make_the_same_network_are_refused_and_what_is_set_for_jax_changes_none():
    class Flagged(Net):
        def __init__(self, flag):
            self.w = weights()

    (first,) = resolve([network(Flagged, flag=1)], TASK)
    with jax.enable_x64(True), jax.numpy_rank_promotion("raise"):
        (again,) = resolve([network(Flagged, flag=1)], TASK)
    assert first.identity == again.identity
    with pytest.raises(NetworkError, match=r"twofold sees no difference between Flagged\(flag=1\) and Flagged\(flag=2"):
        resolve([network(Flagged, flag=[1, 2])], TASK)

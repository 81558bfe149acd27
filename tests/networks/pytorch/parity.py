"""A module of PyTorch and its graphs side by side, in double precision."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import torch

from twofold.networks.graphs.interpret import run
from twofold.networks.pytorch.export import example, export

TRAINING, EVALUATION = 6, 5


def image_of(name):
    return (3, 12, 10) if name == "colour" else (12, 10)


def exported(make, image=(12, 10)):
    torch.manual_seed(3)
    module = make()
    return module, export(module, image, training=[TRAINING], evaluation=[EVALUATION])


@functools.cache
def evaluation_graph(make, image=(12, 10)):
    """The graph of a network in evaluation."""
    torch.manual_seed(3)
    return export(make(), image, training=[], evaluation=[EVALUATION]).graph(training=False, pairs=EVALUATION)


def pairs_for(n, image, seed):
    return np.random.default_rng(seed).uniform(size=(n, 2, *image))


def call(module, convention, pairs):
    """What the module says of pairs, called as the convention has it."""
    pairs = torch.as_tensor(pairs)
    n, _, *image = pairs.shape
    channels = image if len(image) == 3 else [1, *image]
    if convention == "two images":
        return module(pairs[:, 0].reshape(n, *channels), pairs[:, 1].reshape(n, *channels))
    shapes = {"pairs": pairs.shape, "pairs with channels": (n, 2, *channels), "rows": (2 * n, *channels)}
    return module(pairs.reshape(shapes[convention]))


def flat(outputs):
    """All arrays in a nesting of outputs, in their order."""
    if outputs is None:
        return []
    if isinstance(outputs, dict):
        return [each for value in outputs.values() for each in flat(value)]
    if isinstance(outputs, list | tuple):
        return [each for value in outputs for each in flat(value)]
    return [outputs]


def loss_of(outputs, library):
    """A number that depends on every output in its own way."""
    total = 0.0
    for i, output in enumerate(flat(outputs)):
        real = output * (1.0 if library is jnp else torch.tensor(1.0, dtype=torch.float64))
        count = library.arange(int(np.prod(output.shape)), dtype=real.dtype).reshape(output.shape)
        total = total + (real * library.cos(count + i)).mean() + 0.1 * (real * real).mean()
    return total


def find(module, name):
    for part in name.split("."):
        module = getattr(module, part)
    return module


def double(module):
    """In double precision, plain attributes too."""
    module.double()
    for part in module.modules():
        for name, value in vars(part).items():
            if isinstance(value, torch.Tensor) and value.dtype == torch.float32:
                object.__setattr__(part, name, value.double())
    return module


class Both:
    """A module and its graphs with the same weights: what each gives, as arrays."""

    def __init__(self, make, image=(12, 10)):
        module, self.exported = exported(make, image)
        self.module = double(module)
        self.image = image
        self.parameters = self._arrays(self.exported.parameters)
        self.buffers = self._arrays(self.exported.buffers)

    def _arrays(self, held):
        return [find(self.module, each.names[0]).detach().numpy().copy() for each in held]

    def torch_state(self):
        return self._arrays(self.exported.parameters), self._arrays(self.exported.buffers)

    def torch_outputs(self, pairs, training):
        self.module.train(training)
        torch.set_default_dtype(torch.float64)
        try:
            return call(self.module, self.exported.convention.name, pairs)
        finally:
            torch.set_default_dtype(torch.float32)

    def torch_gradients(self, pairs):
        self.module.zero_grad()
        loss = loss_of(self.torch_outputs(pairs, True), torch)
        loss.backward()
        found = [find(self.module, each.names[0]) for each in self.exported.parameters]
        return loss.item(), [np.zeros(each.shape) if each.grad is None else each.grad.numpy() for each in found]

    def step(self, parameters, buffers, pairs, key):
        graph = self.exported.graph(training=True, pairs=len(pairs))

        def loss(parameters):
            outputs, state = run(graph, parameters, buffers, pairs, key)
            return loss_of(outputs, jnp), (state, flat(outputs))

        (value, (state, outputs)), gradients = jax.value_and_grad(loss, has_aux=True)(parameters)
        return value, outputs, gradients, state


def assert_near(ours, theirs, tolerance):
    """Within the tolerance of the largest number (or of 1)."""
    ours, theirs = (np.asarray(each).astype(np.float64) for each in (ours, theirs))
    assert ours.shape == theirs.shape
    same = np.isfinite(theirs)
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    scale = max(np.abs(theirs[same]).max(initial=0), 1)
    assert np.abs(ours[same] - theirs[same]).max(initial=0) <= tolerance * scale, ours - theirs


__all__ = ["Both", "assert_near", "call", "example", "exported", "flat", "image_of", "pairs_for"]

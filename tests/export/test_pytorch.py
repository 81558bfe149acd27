"""The engine against PyTorch, live: the same weights and pairs give the same outputs, losses, gradients and steps."""

import importlib
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.training.programs import numbers, program

torch = pytest.importorskip("torch", reason="PyTorch is not installed: what is compared with it is left out")

from twofold.data import draw_pairs, load_images
from twofold.errors import TwofoldError
from twofold.export.pytorch import from_pytorch, module_for, pair_loss, to_pytorch
from twofold.native import quickly
from twofold.native.operations import native_step, portable_step
from twofold.native.rules import memories_of
from twofold.networks import NETWORKS
from twofold.networks.paper import PairNetwork, init_network
from twofold.networks.protocol import Variables
from twofold.training.losses import pair_loss as our_loss
from twofold.training.optimizers import OPTIMIZERS
from twofold.training.run import Arguments, State, start, train_epochs

PAIRS, BATCH = 500, 25
torch.set_num_threads(1)  # tests run side by side, one on each core
# Compiled once per optimizer: the learning rate is an argument.
START, TRAIN = (
    jax.jit(function, static_argnums=0, compiler_options=quickly.OPTIONS) for function in (start, train_epochs)
)
TORCH_OPTIMIZERS = {
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
    "adam": torch.optim.Adam,
    "adadelta": torch.optim.Adadelta,
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
}


@pytest.fixture(scope="module")
def pairs():
    return draw_pairs(load_images("mnist5k"), seed=3, round=1, split="train", pairs=PAIRS)


def fresh_module(name):
    torch.manual_seed(5)
    return module_for(name)


def torch_loss(module, pairs, rows, aux_weight):
    logits, digits = module(torch.from_numpy(pairs.images[rows]))
    targets, classes = (torch.from_numpy(a[rows].astype(np.int64)) for a in (pairs.targets, pairs.classes))
    return pair_loss(logits, digits, targets, classes, aux_weight), logits, digits


def assert_close(ours, theirs, tolerance=1e-4):
    """Within the tolerance, relative to the largest element of the array."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance * np.abs(theirs).max())


def assert_same_network(ours: PairNetwork, theirs: PairNetwork, tolerance=1e-4):
    jax.tree.map(lambda a, b: assert_close(a, b, tolerance), ours, theirs)


def gradients_of(module):
    """The module with its gradients in place of its weights."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(parameter.grad if parameter.grad is not None else torch.zeros_like(parameter))
    return from_pytorch(module)


@pytest.mark.parametrize("name", NETWORKS)
def test_logits_losses_and_gradients_are_pytorchs(name, pairs):
    aux_weight = 1.0 if NETWORKS[name].auxiliary_losses else 0.0
    module = fresh_module(name)
    network = from_pytorch(module)
    rows = slice(0, BATCH)
    expected, logits, digits = torch_loss(module, pairs, rows, aux_weight)
    expected.backward()

    def loss(network):
        outputs = network(jnp.asarray(pairs.images[rows]))
        return our_loss(
            outputs, jnp.asarray(pairs.targets[rows]), jnp.asarray(pairs.classes[rows]), {"aux_weight": aux_weight}
        ), outputs

    (value, outputs), gradient = jax.jit(jax.value_and_grad(loss, has_aux=True))(network)
    assert_close(value, expected.detach())
    assert_close(outputs.logits, logits.detach())
    assert_close(outputs.class_logits, digits.detach())
    assert_same_network(gradient, gradients_of(module))


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
@pytest.mark.parametrize("learning_rate", [0.001, 0.005, 0.01])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_twenty_steps_are_pytorchs(optimizer, learning_rate, weight_decay, pairs):
    """Parameters after one epoch of 20 batches, both frameworks in double precision.

    In single precision Adam, Adagrad and RMSprop turn the rounding of a gradient near 0 into a whole step.
    """
    module = fresh_module("NetWSAL").double()
    their_optimizer = TORCH_OPTIMIZERS[optimizer](module.parameters(), lr=learning_rate, weight_decay=weight_decay)
    chosen = {"optimizer": optimizer, "learning_rate": learning_rate, "weight_decay": weight_decay}
    with jax.enable_x64(True):
        ours = twenty_steps(from_pytorch(module), in_double(pairs), **chosen)
        for first in range(0, PAIRS, BATCH):
            their_optimizer.zero_grad()
            torch_loss(module, in_double(pairs), slice(first, first + BATCH), 1.0)[0].backward()
            their_optimizer.step()
        assert_same_network(ours, from_pytorch(module), 1e-6)


@pytest.mark.parametrize("huge", [3e19, 1e25])
@pytest.mark.parametrize("step", [native_step, portable_step])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_huge_gradient_is_not_the_end(optimizer, step, huge):
    """Its square overflows in single precision; as in PyTorch the parameter then rests, and is not lost."""
    ours, steps = OPTIMIZERS[optimizer], [np.float32(huge), *np.ones(3, np.float32)]
    parameters, kept = [jnp.ones(1)], [[jnp.zeros(1)] for _ in range(memories_of(ours.rule))]
    theirs = torch.ones(1, requires_grad=True)
    their_optimizer = TORCH_OPTIMIZERS[optimizer]([theirs], lr=0.01, weight_decay=0.0)
    for number, gradient in enumerate(steps, 1):
        numbers = jnp.stack([jnp.float32(n) for n in ours.numbers(jnp.float32(0.01), jnp.float32(number))])
        parameters, *kept = step(ours.rule, numbers, [jnp.full(1, gradient)], parameters, kept)
        theirs.grad = torch.full((1,), float(gradient))
        their_optimizer.step()
        np.testing.assert_allclose(parameters[0], theirs.detach(), rtol=1e-5)


def in_double(pairs):
    """In double precision, with pixels from 0 to 1: raw ones make SGD at 0.01 diverge within the 20 steps."""
    return pairs._replace(images=pairs.images.astype(np.float64) / 255)


def twenty_steps(network, pairs, **settings):
    """The network after one epoch of the engine's own training."""
    chosen = {**settings, "batch_size": BATCH}
    training = program(**chosen)
    values = {name: jnp.float64(value) for name, value in numbers(**chosen).items()}
    arguments = Arguments(jnp.zeros(2, jnp.uint32), values, epochs=jnp.int32(1))
    _, batches = START(training, arguments, pairs)
    state = State(Variables(network), OPTIMIZERS[settings["optimizer"]].init(network), jnp.int32(0))
    return TRAIN(training, state, arguments, pairs, batches, pairs, jnp.int32(1))[0].variables.parameters


@pytest.mark.parametrize("weight_sharing", [True, False])
@pytest.mark.parametrize("image_size", [(14, 14), (10, 12), (15, 22)])
def test_there_and_back(weight_sharing, image_size):
    network = init_network(jax.random.key(1), weight_sharing=weight_sharing, image_size=image_size)
    images = jax.random.uniform(jax.random.key(2), (6, 2, *image_size)) * 255
    module = to_pytorch(network)
    with torch.no_grad():
        logits, digits = module(torch.from_numpy(np.array(images)))
    outputs = network(images)
    assert_close(outputs.logits, logits)
    assert_close(outputs.class_logits, digits)
    jax.tree.map(np.testing.assert_array_equal, from_pytorch(module), network)


def test_without_pytorch_the_remedy_is_told(monkeypatch):
    monkeypatch.delitem(sys.modules, "twofold.export.pytorch")
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(TwofoldError, match=r"twofold\.export\.pytorch needs PyTorch.*pip install -e '\.\[torch\]'"):
        importlib.import_module("twofold.export.pytorch")

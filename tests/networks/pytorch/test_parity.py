"""Networks of many kinds against PyTorch itself: outputs, gradients, buffers, steps."""

import functools
import itertools

import jax
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: what is compared with it is left out")

from tests.networks.pytorch.parity import EVALUATION, TRAINING, Both, assert_near, flat, image_of, pairs_for
from tests.networks.pytorch.zoo import KINDS

from twofold.native import quickly
from twofold.networks.graphs.interpret import run

torch.set_num_threads(1)
STEPS, RATE = 5, 0.01

# They take long, and what they are made of is in others too.
SLOW = {"residual", "kinks", "chosen elements"}


@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.slow] * (name in SLOW)) for name in KINDS])
def test_a_network_computes_what_it_computes_in_pytorch(name):
    with jax.enable_x64(True):
        both = Both(KINDS[name], image_of(name))
        step = jax.jit(both.step, compiler_options=quickly.OPTIONS)
        parameters, buffers = both.parameters, both.buffers
        for number in range(STEPS):
            pairs = pairs_for(TRAINING, both.image, number)
            value, _, gradients, state = step(parameters, buffers, pairs, jax.random.key(number))
            theirs, their_gradients = both.torch_gradients(pairs)
            first = number == 0
            assert_near(value, theirs, 1e-12 if first else 1e-11)
            for ours, each in zip(gradients, their_gradients, strict=True):
                assert_near(ours, each, 1e-9)
            with torch.no_grad():
                for parameter in both.module.parameters():
                    if parameter.grad is not None:
                        parameter -= RATE * parameter.grad
            parameters = [each - RATE * gradient for each, gradient in zip(parameters, gradients)]
            buffers = state
            for ours, each in zip((*parameters, *buffers), itertools.chain(*both.torch_state()), strict=True):
                assert_near(ours, each, 1e-12 if first else 1e-11)
        pairs = pairs_for(EVALUATION, both.image, 99)
        graph = both.exported.graph(training=False, pairs=EVALUATION)
        evaluate = jax.jit(functools.partial(run, graph), compiler_options=quickly.OPTIONS)
        outputs, state = evaluate(parameters, buffers, pairs)
        with torch.no_grad():
            expected = flat(both.torch_outputs(pairs, False))
        for ours, each in zip(flat(outputs), expected, strict=True):
            assert_near(ours, each, 1e-11)
        for ours, each in zip(state, both.torch_state()[1], strict=True):
            assert_near(ours, each, 1e-11)

"""How a module is called, what is grouped, and what is refused with which words."""

import random
import re
import types
import warnings

import jax
import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: what is compared with it is left out")

from tests.networks.pytorch.parity import Both, exported, image_of
from tests.networks.pytorch.zoo import KINDS, Buffered, Lazy, Shared, Tied
from torch import nn

from twofold.errors import NetworkError
from twofold.networks.pytorch.export import export
from twofold.networks.pytorch.weights import fresh, seeded


def module_of(forward, **parts):
    """A module with this forward, which keeps its lines in this file."""

    class Refused(nn.Module):
        def __init__(self):
            super().__init__()
            for name, part in parts.items():
                setattr(self, name, part)

    code = forward.__code__.replace(co_name="forward")  # PyTorch notes the lines of what has this name
    Refused.forward = types.FunctionType(code, forward.__globals__, "forward", forward.__defaults__)
    Refused.forward.__kwdefaults__ = forward.__kwdefaults__
    return Refused()


def branches_on_a_number(self, x):
    if x.sum() > 0:
        return x.flatten(1)
    return -x.flatten(1)


def counts_while(self, x):
    while x.abs().max() > 1:
        x = x / 2
    return x.flatten(1)


def selects_some(self, x):
    return x[x > 0.5].sum() + x.flatten(1)


def sizes_by_data(self, x):
    return torch.zeros(int(x.sum()))


def uses_an_unknown_operation(self, x):
    return torch.linalg.eigvals(x[:, 0, :10, :10]).abs()


def misspells(self, x):
    return x.flattten(1)


def divides_by_zero(self, x):
    return x.flatten(1) * (1 / 0)


def leaves_pytorch(self, x):
    return torch.from_numpy(np.tanh(x.numpy()))


def writes_to_a_parameter(self, x):
    with torch.no_grad():
        self.layer.weight.clamp_(-1, 1)
    return self.layer(x.flatten(1))


def takes_another_shape(self, x):
    return self.layer(x)


REFUSED = {
    branches_on_a_number: "depends on the numbers in a tensor",
    counts_while: "depends on the numbers in a tensor",
    selects_some: "a shape depends on the numbers",
    sizes_by_data: "depends on the numbers",
    uses_an_unknown_operation: r"the operation aten\.\w*eig\w*\.default is not known",
    misspells: "AttributeError: .*flattten",
    divides_by_zero: "ZeroDivisionError: division by zero",
    leaves_pytorch: "numpy",
    writes_to_a_parameter: "writes to its parameter layer.weight",
}


@pytest.mark.parametrize("forward", REFUSED, ids=lambda forward: forward.__name__)
def test_what_cannot_be_compiled_is_told_with_its_line(forward):
    first = forward.__code__.co_firstlineno
    lines = range(first, first + 5)
    with pytest.raises(NetworkError, match=REFUSED[forward]) as told:
        export(module_of(forward, layer=nn.Linear(240, 2)), (12, 10), training=[6], evaluation=[5])
    message = str(told.value)
    assert "\n" not in message
    assert message.startswith("Refused (")
    line = re.search(r"test_export\.py:(\d+)", message)
    assert line, message
    assert int(line.group(1)) in lines
    assert ";" in message  # and what to do


def test_a_shape_that_does_not_fit_is_told_with_the_shapes_that_were_tried():
    with pytest.raises(NetworkError) as told:
        export(module_of(takes_another_shape, layer=nn.Conv2d(5, 2, 3)), (12, 10), training=[6], evaluation=[5])
    message = str(told.value)
    for shape in ("(6, 2, 12, 10)", "(6, 2, 1, 12, 10)", "(12, 1, 12, 10)"):
        assert shape in message
    assert "to have 5 channels" in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("forward", "count"),
    [(lambda self: 0, 0), (lambda self, a, b, c: 0, 3), (lambda self, a, *, b: 0, 2)],
)
def test_a_forward_of_none_or_three_arguments_is_refused(forward, count):
    with pytest.raises(NetworkError, match=f"forward must be given {count} arguments"):
        export(module_of(forward), (12, 10), training=[6], evaluation=[5])


def takes_one(self, *images):
    (pairs,) = images
    return self.layer(pairs.flatten(1))


def takes_both(self, *images):
    left, right = images
    return self.layer(torch.cat([left, right], 1).flatten(1))


@pytest.mark.parametrize(("forward", "convention"), [(takes_one, "pairs"), (takes_both, "two images")])
def test_a_forward_of_any_number_of_arguments_is_given_what_it_takes(forward, convention):
    made = module_of(forward, layer=nn.Linear(240, 2))
    assert export(made, (12, 10), training=[6], evaluation=[5]).convention.name == convention


@pytest.mark.parametrize(
    ("name", "convention"),
    [
        ("shared", "pairs"),
        ("rows", "rows"),
        ("pairs with channels", "pairs with channels"),
        ("distances", "two images"),
        ("colour", "two images"),
    ],
)
def test_the_way_that_fits_is_taken(name, convention):
    assert exported(KINDS[name], image_of(name))[1].convention.name == convention


def test_an_optional_argument_is_left_out():
    module = module_of(lambda self, left, right, scale=2.0: (left - right).flatten(1) * scale)
    assert export(module, (12, 10), training=[6], evaluation=[5]).convention.name == "two images"


def test_names_of_one_storage_are_one_parameter_and_what_nothing_uses_is_told():
    found = exported(Tied)[1]
    names = [held.names for held in found.parameters]
    assert ("code.weight", "same.weight") in names
    assert ("scale.0", "again.0") in names
    assert found.unused == ("dead.weight", "dead.bias")
    assert [held.names[0] for held in found.buffers] == ["frozen.weight", "frozen.bias"]


def test_a_plain_tensor_is_a_buffer_and_is_drawn_with_the_weights():
    found = exported(Buffered)[1]
    assert {held.names[0] for held in found.buffers} == {"mean", "steps", "mask", "fixed"}
    drawn = [fresh(Buffered, found, seed=1, round=round)[1] for round in (1, 2)]
    place = [held.names[0] for held in found.buffers].index("fixed")
    assert not np.array_equal(drawn[0][place], drawn[1][place])


def test_a_module_is_left_as_it_was():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(240, 4), nn.BatchNorm1d(4, momentum=None), nn.Dropout())
    module[3].eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    state = torch.random.get_rng_state()
    export(module, (12, 10), training=[6], evaluation=[5])
    assert [part.training for part in module.modules()] == [True, True, True, True, False]
    assert module[2].momentum is None
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert torch.equal(state, torch.random.get_rng_state())


def test_nothing_is_printed_or_warned_of(capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(NetworkError):
            export(module_of(branches_on_a_number), (12, 10), training=[6], evaluation=[5])
    assert capfd.readouterr() == ("", "")


class TestWeights:
    def test_are_those_of_the_class_for_the_round(self):
        found = exported(Shared)[1]
        one, _ = fresh(Shared, found, seed=1, round=1000)
        same, _ = fresh(Shared, found, seed=1, round=1000)
        other, _ = fresh(Shared, found, seed=1, round=1001)
        another, _ = fresh(Shared, found, seed=2, round=1000)
        for a, b, c, d, held in zip(one, same, other, another, found.parameters, strict=True):
            assert a.shape == held.spec.shape
            assert a.dtype == held.spec.dtype
            np.testing.assert_array_equal(a, b)
            assert not np.array_equal(a, c)
            assert not np.array_equal(a, d)

    def test_leave_all_generators_as_they_were_and_seed_them(self):
        class Drawing(nn.Module):
            def __init__(self):
                super().__init__()
                numbers = [random.random(), np.random.rand(), torch.rand(()).item()]  # noqa: NPY002
                self.numbers = nn.Parameter(torch.tensor(numbers))

            def forward(self, x):
                return x.flatten(1).sum(1, keepdim=True) * self.numbers

        before = random.getstate(), np.random.get_state()[1].tolist(), torch.random.get_rng_state()  # noqa: NPY002
        with seeded(5, 7):
            expected = Drawing().numbers.detach().numpy()
        after = random.getstate(), np.random.get_state()[1].tolist(), torch.random.get_rng_state()  # noqa: NPY002
        assert before[:2] == after[:2]
        assert torch.equal(before[2], after[2])
        ((drawn,), _) = fresh(Drawing, exported(Drawing)[1], seed=5, round=7)
        np.testing.assert_array_equal(drawn, expected)

    def test_of_a_lazy_class_get_their_shapes(self):
        found = exported(Lazy)[1]
        parameters, buffers = fresh(Lazy, found, seed=1, round=1)
        assert [each.shape for each in parameters] == [held.spec.shape for held in found.parameters]
        assert [each.shape for each in buffers] == [held.spec.shape for held in found.buffers]

    def test_of_another_shape_in_another_round_are_refused(self):
        widths = iter([3, 4])

        class Wide(nn.Module):
            def __init__(self):
                super().__init__()
                self.layer = nn.Linear(240, next(widths))

            def forward(self, x):
                return self.layer(x.flatten(1))

        found = exported(Wide)[1]
        with pytest.raises(NetworkError, match=r"layer\.weight is"):
            fresh(Wide, found, seed=1, round=1)


def test_parameters_and_images_in_single_precision_stay_so():
    both = Both(Shared)
    single = [each.astype(np.float32) for each in both.parameters]
    pairs = np.ones((6, 2, 12, 10), np.float32)
    _, outputs, gradients, _ = jax.eval_shape(both.step, single, [], pairs, jax.random.key(0))
    assert {str(each.dtype) for each in (*outputs, *gradients)} == {"float32"}

"""A user's PyTorch module as graphs: in training and in evaluation, for each number of pairs that is used.

The module is called as its `forward` asks to be: with the pairs, or with the two images of each.
"""

import contextlib
import inspect
from collections.abc import Iterator, Sequence
from typing import Any
from unittest import mock

import torch
from torch._decomp import get_decompositions
from torch.autograd.function import Function
from torch.distributions import Distribution
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.modules.batchnorm import _BatchNorm

from twofold.errors import NetworkError
from twofold.networks.graphs.draft import Draft, Leaf
from twofold.networks.graphs.exported import Convention, Exported, Held
from twofold.networks.graphs.graph import Constant, Reference, Spec
from twofold.networks.pytorch.mistakes import InferenceModeError, OwnGradientError, is_known, mistake
from twofold.networks.pytorch.translate import (
    CUMULATIVE,
    Translation,
    layout_of,
    spec_of,
)
from twofold.networks.seeding import generators
from twofold.networks.telling import quietly, said_of_shapes, words_of

# What a module raises that gets images of a shape it was not made for; anything else is a mistake in it.
_OF_SHAPES = (RuntimeError, ValueError, IndexError, AssertionError)


def export(
    module: torch.nn.Module,
    image_shape: Sequence[int],
    *,
    training: Sequence[int],
    evaluation: Sequence[int],
    two_images: bool = False,
) -> Exported:
    """The graphs of a module for images (h, w) or (c, h, w), in training and evaluation, for these numbers of pairs.

    `two_images` calls it with the two images of each pair, though its `forward` would do with one argument.

    Raises `NetworkError` where it cannot be called with any of the shapes of `Convention`, where its `forward` fails,
    where its way depends on the numbers in a tensor, and where it uses an operation that is not known.
    """
    network = type(module).__name__
    image = tuple(image_shape)[1:] if tuple(image_shape)[:-2] == (1,) else tuple(image_shape)
    modes = [(mode, n) for mode, several in ((True, training), (False, evaluation)) for n in several]
    before = {name: each.training for name, each in module.named_modules()}
    with quietly(), unvalidated(), torch.random.fork_rng(devices=[]):
        convention = _fitting(module, network, Spec((modes[0][1], 2, *image), "float32"), two_images)
        leaves = _leaves(module, network)
        _check_what_is_hidden(module, network)
        drafts = []
        for mode, n in modes:
            module.train(mode)
            drafts.append(_draft(module, network, convention, Spec((n, 2, *image), "float32"), leaves))
    for name, each in module.named_modules():
        each.training = before[name]
    used = list(dict.fromkeys(leaf for draft in drafts for leaf in draft.used()))
    parameters, buffers = (tuple(leaf for leaf in used if leaf.trained == trained) for trained in (True, False))
    every = list(dict.fromkeys(leaves.values()))
    return Exported(
        network,
        convention,
        tuple((mode, n, draft.graph(parameters, buffers)) for (mode, n), draft in zip(modes, drafts)),
        tuple(Held(leaf.names, leaf.spec) for leaf in parameters),
        tuple(Held(leaf.names, leaf.spec) for leaf in buffers),
        tuple(leaf.names[0] for leaf in every if leaf.trained and leaf not in parameters),
    )


def example(shape: Sequence[int]) -> torch.Tensor:
    """Images for a try: neither all equal nor drawn from anybody's generator."""
    count = torch.arange(torch.Size(shape).numel(), dtype=torch.float32)
    return torch.frac(count * 0.6180339887).reshape(tuple(shape))


def _fitting(module: torch.nn.Module, network: str, pairs: Spec, two_images: bool) -> Convention:
    """The first convention whose shapes the module takes; it is called in evaluation, which leaves no trace."""
    arguments = _required(module, network)
    names = [] if arguments == 2 or two_images else ["pairs", "pairs with channels", "rows"]
    names = names if arguments == 1 and not two_images else ["two images", *names]
    conventions = {tuple(Convention(name).shapes(pairs)): Convention(name) for name in reversed(names)}
    module.eval()
    said: list[tuple[str, str]] = []
    failures: list[Exception] = []
    for shapes, convention in reversed(conventions.items()):
        try:
            with torch.no_grad(), mock.patch.object(torch.inference_mode, "__enter__", _no_inference):
                module(*map(example, shapes))
        except _OF_SHAPES as error:
            if is_known(error):
                raise mistake(network, error) from error
            said.append((" and ".join(map(str, shapes)), words_of(error)))
            failures.append(error)
        except (Exception, SystemExit) as error:
            raise mistake(network, error) from error
        else:
            return convention
    if len(failures) > 1 and len(set(map(words_of, failures))) == 1:  # whatever the shape is, so it is not the shape
        raise mistake(network, failures[0], pairs=pairs.shape) from failures[0]
    raise NetworkError(
        f"{network}: no images that could be given fit: {said_of_shapes(said)}; images are "
        f"{' x '.join(map(str, pairs.shape[2:]))} here: write forward(pairs) for (n, 2, h, w) or forward(left, right) "
        "for (n, 1, h, w) each, with n from x.shape[0], and layers for that size"
    )


def _no_inference(_: Any) -> None:
    raise InferenceModeError


def _required(module: torch.nn.Module, network: str) -> int:
    """How many arguments `forward` must be given: one or two; 0 where it takes any number, as forward(*images)."""
    parameters = inspect.signature(module.forward).parameters.values()
    needed = [each for each in parameters if each.default is each.empty and each.kind not in _VARIABLE]
    if not needed and any(each.kind is inspect.Parameter.VAR_POSITIONAL for each in parameters):
        return 0
    positional = [each for each in needed if each.kind is not inspect.Parameter.KEYWORD_ONLY]
    if len(positional) not in (1, 2) or len(positional) < len(needed):
        names = ", ".join(each.name for each in needed) or "none"
        raise NetworkError(
            f"{network}: forward must be given {len(needed)} arguments ({names}); "
            "it can be given one (the pairs) or two (the left and the right images)"
        )
    return len(positional)


def could_take_two(module: torch.nn.Module) -> bool:
    """Whether `forward` has a second argument, which it need not be given."""
    parameters = list(inspect.signature(module.forward).parameters.values())
    positional = [each for each in parameters if each.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD]
    return len(positional) > 1 and positional[1].default is None


_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def _leaves(module: torch.nn.Module, network: str) -> dict[str, Leaf]:
    """Parameters, buffers and tensors that are plain attributes, by name; names of one storage have one leaf."""
    groups: dict[int, list[tuple[str, torch.Tensor]]] = {}
    for name, tensor in _tensors(module):
        groups.setdefault(tensor.untyped_storage()._cdata, []).append((name, tensor))
    leaves: dict[str, Leaf] = {}
    for group in groups.values():
        _, base = max(group, key=lambda each: each[1].numel())
        trained = any(tensor.requires_grad for _, tensor in group)
        first = next(each for each, one in group if layout_of(one) == layout_of(base))
        if any(not _within(tensor, base) for _, tensor in group):
            listed = ", ".join(name for name, _ in group)
            raise NetworkError(
                f"{network}: {listed} overlap in memory, none being part of another; clone() one of them"
            )
        names = tuple(dict.fromkeys((first, *(name for name, _ in group))))
        if trained and not any(isinstance(tensor, torch.nn.Parameter) for _, tensor in group):
            raise NetworkError(
                f"{network}: {names[0]} requires a gradient and is no parameter, so that no optimizer changes it; make "
                "it a torch.nn.Parameter, or leave requires_grad out"
            )
        leaf = Leaf(names, spec_of(base), layout_of(base), trained)
        leaves |= dict.fromkeys((name for name, _ in group), leaf)
    return leaves


def _check_what_is_hidden(module: torch.nn.Module, network: str) -> None:
    """Raise `NetworkError` for layers and tensors that PyTorch does not know of, and for gradients that are changed."""
    known = {id(each) for each in (*module.modules(), *module.parameters(), *module.buffers())}
    for prefix, part in module.named_modules():
        where = f"{prefix}." if prefix else ""
        for name, value in vars(part).items():
            if name.startswith("_") or not isinstance(value, list | tuple | dict):
                continue
            held = torch.utils._pytree.tree_leaves(value)
            if any(isinstance(each, torch.nn.Module | torch.Tensor) and id(each) not in known for each in held):
                raise NetworkError(
                    f"{network}: {where}{name} is a {type(value).__name__} of layers or tensors, which PyTorch does "
                    "not know of and no optimizer trains; use nn.ModuleList, nn.ParameterList, or register_buffer"
                )
        if part._backward_hooks or part._backward_pre_hooks:
            raise _hooked(network, prefix or "the network")
    for name, parameter in module.named_parameters():
        if parameter._backward_hooks or getattr(parameter, "_post_accumulate_grad_hooks", None):
            raise _hooked(network, name)


def _hooked(network: str, name: str) -> NetworkError:
    return NetworkError(
        f"{network}: {name} has a hook on its gradient, which a graph does not show; leave the hook out"
    )


def _within(tensor: torch.Tensor, base: torch.Tensor) -> bool:
    """Whether all elements of one tensor are elements of another in the same storage."""

    def addresses(each: torch.Tensor) -> set[int]:
        count = each.untyped_storage().nbytes() // each.element_size()
        return set(torch.arange(count).as_strided(each.shape, each.stride(), each.storage_offset()).flatten().tolist())

    return layout_of(tensor) == layout_of(base) or addresses(tensor) <= addresses(base)


def _tensors(module: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    for prefix, part in module.named_modules(remove_duplicate=False):
        plain = {name: value for name, value in vars(part).items() if isinstance(value, torch.Tensor)}
        for name, tensor in (*part._parameters.items(), *part._buffers.items(), *plain.items()):
            if tensor is not None:
                yield f"{prefix}.{name}" if prefix else name, tensor


def _draft(
    module: torch.nn.Module, network: str, convention: Convention, pairs: Spec, leaves: dict[str, Leaf]
) -> Draft:
    """The module's graph in the mode that it is in, for one number of pairs."""
    with _momentum_none(module):
        try:
            arguments = tuple(map(example, convention.shapes(pairs)))
            before = generators()
            with _own_gradients_refused():
                program = torch.export.export(module, arguments, strict=False)
        except (Exception, SystemExit) as error:
            raise mistake(network, error, pairs=pairs.shape) from error
    if generators() != before:
        raise NetworkError(
            f"{network}: forward draws from Python's or NumPy's random numbers, which would be the same in every step; "
            "draw them with PyTorch, as in torch.rand(())"
        )
    draft = Draft(network, pairs)
    translation = Translation(draft, _taken_apart)
    images = iter(_images_for(convention, draft))
    values: dict[Any, Any] = {}
    kinds = {spec.arg.name: spec for spec in program.graph_signature.input_specs}
    for node in program.graph.nodes:
        if node.op != "placeholder":
            continue
        target, fake = kinds[node.name].target, node.meta["val"]
        if kinds[node.name].kind.name == "USER_INPUT":
            values[node] = translation.new(fake, next(images))
        elif target in leaves:
            values[node] = translation.enter(fake, draft.leaf(leaves[target], layout_of(fake)))
        else:
            constant = Constant.of(program.constants[target].detach().numpy())
            values[node] = translation.new(fake, draft.constant(constant))
    try:
        results = translation.follow(program.graph_module, values)
    except NotImplementedError as error:  # of tensors that have no memory, as within torch.vmap
        raise mistake(network, error) from error
    count = len(program.graph_signature.output_specs)
    flat = [draft.read(each) if hasattr(each, "storage") else each for each in results[:count]]
    kinds_out = [spec.kind.name for spec in program.graph_signature.output_specs]
    flat = [each for each, kind in zip(flat, kinds_out) if kind == "USER_OUTPUT"]
    draft.finish(_plain(torch.utils._pytree.tree_unflatten(flat, program.call_spec.out_spec)))
    return draft


def _images_for(convention: Convention, draft: Draft) -> list[Reference]:
    """The arguments, computed from the pairs."""
    pairs = draft.images
    shapes = convention.shapes(pairs)
    parts: list[tuple[Reference, tuple[int, ...]]] = [(Reference(0), pairs.shape)]
    if convention.name == "two images":
        shape = (pairs.shape[0], *pairs.shape[2:])
        one = Spec(shape, pairs.dtype)
        parts = [(draft.emit("aten.select.int", (Reference(0), 1, i), {}, one)[0], shape) for i in range(2)]
    return [
        value
        if has == wanted
        else draft.emit("aten.reshape.default", (value, wanted), {}, Spec(wanted, pairs.dtype))[0]
        for (value, has), wanted in zip(parts, shapes)
    ]


def _plain(outputs: Any) -> Any:
    """A nesting of outputs in tuples and dicts, whatever the network has them in."""
    if isinstance(outputs, dict):
        return {str(key): _plain(value) for key, value in outputs.items()}
    return tuple(map(_plain, outputs)) if isinstance(outputs, list | tuple) else outputs


def _taken_apart(node: Any) -> Any:
    """A graph of simpler operations that does what a node does, by PyTorch's own decompositions; or None."""
    inputs = node.all_input_nodes

    def call(*tensors: torch.Tensor) -> Any:
        given = dict(zip(inputs, tensors))
        arguments, keywords = torch.fx.node.map_arg((node.args, node.kwargs), given.__getitem__)
        return known.get(node.target, node.target)(*arguments, **keywords)

    try:
        known = get_decompositions([node.target])
        fakes = [each.meta["val"] for each in inputs]
        tensors = [torch.empty_strided(fake.shape, fake.stride(), dtype=fake.dtype) for fake in fakes]
        with torch.backends.mkldnn.flags(enabled=False):  # or an LSTM would become one operation of another library
            graph = make_fx(call, decomposition_table=known, tracing_mode="fake")(*tensors)
    except Exception:  # nothing of PyTorch's takes it apart: the error about the operation says so
        return None
    calls = [each for each in graph.graph.nodes if each.op == "call_function"]
    return None if any(each.target is node.target for each in calls) else graph


@contextlib.contextmanager
def _own_gradients_refused() -> Iterator[None]:
    """A function of the user's with a gradient of its own would be followed as if it had none; PyTorch's are known."""
    apply = Function.__dict__["apply"].__func__

    def checked(function: Any, *args: Any, **kwargs: Any) -> Any:
        if not function.__module__.startswith("torch."):
            raise OwnGradientError(function.__name__)
        return apply(function, *args, **kwargs)

    def hooked(*_: Any) -> Any:
        raise OwnGradientError("a hook")

    with (
        mock.patch.object(Function, "apply", classmethod(checked)),
        mock.patch.object(torch.Tensor, "register_hook", hooked),
    ):
        yield


@contextlib.contextmanager
def unvalidated() -> Iterator[None]:
    """Distributions do not look at the numbers in their parameters, which a graph has none of."""
    before = Distribution._validate_args
    Distribution.set_default_validate_args(False)
    try:
        yield
    finally:
        Distribution.set_default_validate_args(before)


@contextlib.contextmanager
def _momentum_none(module: torch.nn.Module) -> Iterator[None]:
    """Give batch normalisation a number that stands for the momentum None, which it would compute outside the graph."""
    without = [part for part in module.modules() if isinstance(part, _BatchNorm) and part.momentum is None]
    for part in without:
        part.momentum = CUMULATIVE
    try:
        yield
    finally:
        for part in without:
            part.momentum = None

"""What `torch.export` found, translated to a draft: a graph of `torch.fx` node by node.

Operations that are not in the table are taken apart by PyTorch's own decompositions, one at a time: on the whole graph
those fail where a module with batch normalisation has two names, and they take apart what has a fast way of its own.
"""

import math
import operator
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from twofold.errors import NetworkError
from twofold.networks.graphs.draft import Draft, Layout, Storage, Tensor
from twofold.networks.graphs.graph import Dtype, Reference, Spec
from twofold.networks.graphs.operations import TABLE
from twofold.networks.telling import shown_path

# In place, but what changes is the tensor's own shape and no memory.
_OWN_SHAPE = {"squeeze_", "unsqueeze_", "t_", "transpose_", "swapaxes_", "swapdims_", "detach_"}

# Operations in place whose pure form has another name.
_PURE = {"aten.normal_.default": "aten.normal_functional.default", "aten.bernoulli_.float": "aten.bernoulli.p"}

# What asks whether all is well, and gives nothing.
_ASSERTIONS = ("_assert", "sym_constrain_range", "_linalg_check_errors")

# Arithmetic with a number that was taken out of a tensor.
_OF_NUMBERS: dict[Any, str] = {
    operator.add: "aten.add.Tensor",
    operator.sub: "aten.sub.Tensor",
    operator.mul: "aten.mul.Tensor",
    operator.truediv: "aten.div.Tensor",
    operator.neg: "aten.neg.default",
    operator.pow: "aten.pow.Tensor_Tensor",
}

# Parts of the user's code that run under something: with or without gradients, in another precision.
_UNDER = ("wrap_with_set_grad_enabled", "wrap_with_autocast")

# Arguments that say where and how an array is stored.
_OF_STORAGE = {"device", "layout", "pin_memory", "memory_format", "non_blocking", "copy", "generator"}
_KINDS_OF_STORAGE = ("device", "layout", "memory_format", "Generator")

# Stands for the momentum None of batch normalisation while a module is exported: the mean of all batches so far.
CUMULATIVE = math.nan

# Where PyTorch's own files are, which are not the user's.
_PYTORCH = str(Path(torch.__file__).parent)

# The second call of a module has "@1" after its path.
_CALL = re.compile(r"@\d+")


class Translation:
    """A draft, and whose memory each of PyTorch's tensors shows.

    `take_apart` gives a graph of simpler operations for a node, whose inputs are the node's; or None.
    """

    def __init__(self, draft: Draft, take_apart: Callable[[Any], Any]) -> None:
        self.draft = draft
        self._take_apart = take_apart
        self._storages: dict[int, Storage] = {}
        self._apart: list[str] = []  # operations that are being taken apart
        self._kept_alive: list[Any] = []  # graphs whose tensors' memories are in `_storages` by their addresses

    def enter(self, fake: Any, tensor: Tensor) -> Tensor:
        """What comes in, as a tensor of PyTorch's shows it."""
        self._storages.setdefault(_memory_of(fake), tensor.storage)
        return tensor

    def new(self, fake: Any, value: Reference) -> Tensor:
        """A tensor with memory of its own."""
        storage = Storage(value, layout_of(fake))
        self._storages[_memory_of(fake)] = storage
        return Tensor(storage, storage.layout, dtype_name(fake.dtype), value)

    def follow(self, graph_module: Any, values: dict[Any, Any]) -> Any:
        """Translate a graph whose inputs are in `values`: what it gives back, tensors in a nesting."""
        for node in graph_module.graph.nodes:
            if node.op == "output":
                return _nested(node.args[0], lambda each: values[each] if _is_node(each) else each)
            if node.op == "get_attr":
                values[node] = getattr(graph_module, node.target)
            elif node.op == "call_function":
                if not self._apart:
                    self.draft.line = users_line(node.meta.get("stack_trace")) or self.draft.line
                    layer = _layer_of(node)
                    self.draft.layer = self.draft.layer if layer is None else layer
                values[node] = self._called(node, values)
        return None

    def _called(self, node: Any, values: dict[Any, Any]) -> Any:
        target = node.target
        if target is operator.getitem:
            return values[node.args[0]][node.args[1]]
        if getattr(target, "__name__", "") in _UNDER:
            return self._under(node, values)
        if not hasattr(target, "_schema"):
            operation = _OF_NUMBERS.get(target, f"torch.{getattr(target, '__name__', target)}")
            return self._number(operation, node, values)
        base = target._schema.name.split("::")[1]
        if base.startswith(_ASSERTIONS):
            return None
        self._check_sizes(node)
        if base == "item":
            return self._number("twofold.number", node, values)
        if base in ("batch_norm", "instance_norm"):
            return self._normalised(node, values)
        if base in _OWN_SHAPE:
            return self._pure(node, values, str(target).replace(f".{base}.", f".{base[:-1]}."))
        if any(each.alias_info and each.alias_info.is_write for each in target._schema.arguments):
            return self._written(node, values, base)
        return self._pure(node, values, str(target))

    def _number(self, operation: str, node: Any, values: dict[Any, Any]) -> Tensor:
        """A number that was taken out of a tensor, or is computed with such."""
        kind = type(node.meta.get("val")).__name__
        spec = Spec((), {"SymInt": "int64", "int": "int64", "SymBool": "bool", "bool": "bool"}.get(kind, "float32"))
        (value,) = self.draft.emit(operation, *self._bound(node, values), spec)
        layout: Layout = ((), (), (0,))
        return Tensor(Storage(value, layout), layout, spec.dtype, value)

    def _under(self, node: Any, values: dict[Any, Any]) -> Any:
        place = next(i for i, each in enumerate(node.args) if _is_node(each) and each.op == "get_attr")
        given = [values[each] for each in node.args[place + 1 :]]
        with_gradients = node.args[0] if node.target.__name__ == _UNDER[0] else self.draft.with_gradients
        before, self.draft.with_gradients = self.draft.with_gradients, with_gradients
        inner = values[node.args[place]]
        result = self.follow(inner, dict(zip(_inputs_of(inner), given)))
        self.draft.with_gradients = before
        return result

    def _pure(self, node: Any, values: dict[Any, Any], operation: str) -> Any:
        """An operation that writes nothing; what it gives may be a view all the same."""
        if operation not in TABLE:
            graph = self._apart_graph(node)
            if graph is not None:
                return self._in_parts(node, values, graph)
        fakes = _several(node.meta["val"])
        specs = [Spec((), "float32") if fake is None else spec_of(fake) for fake in fakes]
        numbers = self.draft.emit(operation, *self._bound(node, values), *specs)
        return self._given(node, numbers, values)

    def _given(self, node: Any, numbers: Sequence[Any], values: dict[Any, Any]) -> Any:
        """What an operation gives, one tensor or several, from the values of each."""
        fakes = _several(node.meta["val"])
        given = [None if fake is None else self._shown(node, fake, each, values) for fake, each in zip(fakes, numbers)]
        return given if isinstance(node.meta["val"], list | tuple) else given[0]

    def _shown(self, node: Any, fake: Any, value: Reference, values: dict[Any, Any]) -> Tensor:
        """What an operation gives: new memory, or a view; the view of a detached tensor is detached."""
        storage = self._storages.get(_memory_of(fake))
        inputs = [values.get(each) for each in node.all_input_nodes]
        viewed = any(isinstance(each, Tensor) and each.detached and each.storage is storage for each in inputs)
        detached = viewed or str(node.target).startswith("aten.detach")
        if not detached and not self.draft.with_gradients:
            value, detached = self.draft.detached(value, spec_of(fake)), True
        if storage is None:  # nobody else has it, so that gradients may begin with what is written to it
            return self.new(fake, value)
        return Tensor(storage, layout_of(fake), dtype_name(fake.dtype), value, storage.writes, detached)

    def _written(self, node: Any, values: dict[Any, Any], base: str) -> Any:
        """An operation in place, or one with `out=`: its pure form, whose result is written to where that is."""
        target = values[node.kwargs["out"] if "out" in node.kwargs else node.args[0]]
        pure = _pure_name(str(node.target), base)
        graph = None if pure in TABLE else self._apart_graph(node)
        if graph is not None:
            self._in_parts(node, values, graph)
            return target
        arguments, keywords = self._bound(node, values)
        keywords.pop("out", None)
        (value,) = self.draft.emit(pure, arguments, keywords, target.spec)
        self.draft.write(target, value)
        return target

    def _normalised(self, node: Any, values: dict[Any, Any]) -> Any:
        """Batch and instance normalisation: in training they write their running means and variances unsaid."""
        *tensors, training, momentum, eps, cudnn = node.args
        cumulative = isinstance(momentum, float) and math.isnan(momentum)
        if not training or tensors[3] is None:
            node.args = (*tensors, training, 0.0 if cumulative else momentum, eps, cudnn)
            return self._pure(node, values, str(node.target))
        running, spread = values[tensors[3]], values[tensors[4]]
        if cumulative:
            momentum = self._of_all_batches(running)
        arguments = tuple(self._argument(each, values) for each in tensors)
        operation = f"twofold.{str(node.target).split('.')[1]}_training"
        specs = (spec_of(node.meta["val"]), running.spec, spread.spec)
        value, mean, variance = self.draft.emit(operation, (*arguments, momentum, eps), {}, *specs)
        self.draft.write(running, mean)
        self.draft.write(spread, variance)
        return self._shown(node, node.meta["val"], value, values)

    def _of_all_batches(self, running: Tensor) -> Reference:
        """The momentum None: one over the number of batches, which is counted in a buffer beside the mean."""
        name = running.storage.leaf.names[0] if running.storage.leaf else ""
        counter = self.draft.leaf_named(f"{name.removesuffix('running_mean')}num_batches_tracked")
        return self.draft.emit("aten.reciprocal.default", (counter.value,), {}, Spec((), "float32"))[0]

    def _apart_graph(self, node: Any) -> Any:
        return None if str(node.target) in self._apart else self._take_apart(node)

    def _in_parts(self, node: Any, values: dict[Any, Any], graph: Any) -> Any:
        """What simpler operations give in the place of one, from memory of their own; what they write is written."""
        self._kept_alive.append(graph)
        self._apart.append(str(node.target))
        outer = [values[each] for each in node.all_input_nodes]
        inner = [self._copied(holder, each) for holder, each in zip(_inputs_of(graph), outer, strict=True)]
        results = self.follow(graph, dict(zip(_inputs_of(graph), inner)))
        self._apart.pop()
        for own, each in zip(inner, outer):
            if isinstance(own, Tensor) and own.storage.writes:
                self.draft.write(each, self.draft.read(own))
        return self._given(node, _nested(_several(results), self._read), values)

    def _copied(self, holder: Any, outer: Any) -> Any:
        """An input of such a graph: memory that shows what the outer tensor does."""
        if not isinstance(outer, Tensor):
            return outer
        own = self.new(holder.meta["val"], self.draft.read(outer))
        own.storage.leaf = outer.storage.leaf
        return own

    def _read(self, value: Any) -> Any:
        return self.draft.read(value) if isinstance(value, Tensor) else value

    def _bound(self, node: Any, values: dict[Any, Any]) -> tuple[tuple, dict[str, Any]]:
        arguments = tuple(self._argument(each, values) for each in node.args)
        keywords = {name: self._argument(each, values) for name, each in node.kwargs.items()}
        return arguments, {k: v for k, v in keywords.items() if k not in _OF_STORAGE and v is not None}

    def _argument(self, value: Any, values: dict[Any, Any]) -> Any:
        value = values[value] if _is_node(value) else value
        if isinstance(value, Tensor):
            return self.draft.read(value)
        if isinstance(value, list | tuple):
            return tuple(self._argument(each, values) for each in value)
        kind = type(value).__name__
        if kind == "dtype":
            return Dtype(dtype_name(value))
        if kind.startswith("Sym"):
            raise self._shape_of_data()
        return None if kind in _KINDS_OF_STORAGE else value

    def _check_sizes(self, node: Any) -> None:
        fakes = node.meta.get("val")
        for fake in fakes if isinstance(fakes, list | tuple) else [fakes]:
            if not all(type(size) is int for size in getattr(fake, "shape", ())):
                raise self._shape_of_data()

    def _shape_of_data(self) -> NetworkError:
        remedy = "keep the shape, for example with a mask and torch.where"
        return self.draft.fault("a shape depends on the numbers in a tensor", remedy)


def _pure_name(name: str, base: str) -> str:
    """The operation that gives what this one writes."""
    if not base.endswith("_"):  # aten.div.out: the overload is not in its name
        names = (f"aten.{base}.{overload}" for overload in ("default", "Tensor", "dim", "dim_IntList", "self"))
        return next((each for each in names if each in TABLE), name)
    return _PURE.get(name, name.replace(f".{base}.", f".{base.removesuffix('_')}."))


def _layer_of(node: Any) -> str | None:
    """The path of the innermost module that a node of `torch.fx` is in; None where it says nothing of that."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    return _CALL.sub("", stack[-1][0]) if stack else None


def users_line(stack: str | None) -> str:
    """The last line of a stack that is not PyTorch's own, as file:line; empty where there is none."""
    frames = re.findall(r'File "([^"]+)", line (\d+)', stack or "")
    theirs = [(file, line) for file, line in frames if not file.startswith(_PYTORCH)]
    return f"{shown_path(theirs[-1][0])}:{theirs[-1][1]}" if theirs else ""


def layout_of(tensor: Any) -> Layout:
    """How a tensor of PyTorch's lies in its storage."""
    return tuple(tensor.shape), tuple(tensor.stride()), (int(tensor.storage_offset()),)


def spec_of(tensor: Any) -> Spec:
    """The shape and the type of a tensor of PyTorch's."""
    return Spec(tuple(tensor.shape), dtype_name(tensor.dtype))


def dtype_name(dtype: Any) -> str:
    """The name of a type of PyTorch's."""
    return str(dtype).removeprefix("torch.")


def _inputs_of(graph_module: Any) -> list[Any]:
    return [node for node in graph_module.graph.nodes if node.op == "placeholder"]


def _several(value: Any) -> list[Any]:
    return list(value) if isinstance(value, list | tuple) else [value]


def _memory_of(tensor: Any) -> int:
    return tensor.untyped_storage()._cdata


def _is_node(value: Any) -> bool:
    return type(value).__name__ == "Node" and hasattr(value, "all_input_nodes")


def _nested(value: Any, change: Callable[[Any], Any]) -> Any:
    if isinstance(value, list | tuple):
        return [_nested(each, change) for each in value]
    return change(value)

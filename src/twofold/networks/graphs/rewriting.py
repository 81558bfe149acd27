"""Patterns by which a graph becomes one that computes the same in less time, each of which can be switched off.

`rewritten` is what `twofold.networks.graphs.interpret` runs; what is stored, hashed and shown is the graph as it was
exported. Values have numbers of their own here, which no rewriting changes; a graph's come back at the end.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from twofold.networks.graphs.graph import Graph, Node, Reference, Spec, references_in, replaced
from twofold.networks.graphs.operations.pooling import unseen

RELU = "aten.relu.default"
CONVOLUTIONS = {f"aten.conv{axes}d.{kind}" for axes in (1, 2, 3) for kind in ("default", "padding")}
MAX_POOLS = {f"aten.max_pool{axes}d.default": axes for axes in (1, 2, 3)}
MAX_POOL_RELU = "twofold.max_pool_relu"
BATCH_NORM = "twofold.batch_norm_training"

# Those that take a ReLU with them.
_NORMALISATIONS = {BATCH_NORM, "aten.group_norm.default", "aten.instance_norm.default"}

# Operations that work on each row of their first argument by itself: the products, for whose sake two calls of a branch
# are made one, and what may stand between them.
_PRODUCTS = CONVOLUTIONS | {"aten.linear.default"}
_ACTIVATIONS = (
    *("relu", "relu6", "tanh", "sigmoid", "gelu", "elu", "leaky_relu", "silu", "selu", "celu", "mish"),
    *("hardtanh", "hardswish", "hardsigmoid", "softplus", "abs", "exp", "neg", "square"),
)
_POOLS = [f"{kind}{axes}d" for kind in ("avg_pool", "adaptive_avg_pool") for axes in (1, 2, 3)]
_BY_ROW = {*(f"aten.{name}.default" for name in (*_ACTIVATIONS, *_POOLS, "group_norm")), *MAX_POOLS}
_BY_ROW |= {MAX_POOL_RELU, "twofold.zero_or_more"}
_RESHAPES = {"aten.reshape.default", "aten.view.default"}
_TOGETHER = {"aten.add.Tensor", "aten.sub.Tensor", "aten.mul.Tensor"}

# So many products, at least, are worth putting two values in one array.
_FEWEST_PRODUCTS = 2


@dataclass(frozen=True)
class Step:
    """A node whose references are to values by numbers of their own, and the numbers of what it gives."""

    node: Node
    values: tuple[int, ...]

    def uses(self) -> list[int]:
        """The values that it reads."""
        return [reference.number for reference in references_in((self.node.arguments, dict(self.node.keywords)))]


Pattern: TypeAlias = Callable[["Program"], list[Step]]

# Which steps read each value.
Readers: TypeAlias = dict[int, list[Step]]


@dataclass(frozen=True)
class Program:
    """The steps of a graph, the values that it gives, which are parameters or buffers, and the shape of every value."""

    steps: list[Step]
    given: frozenset[int]
    weights: range
    specs: dict[int, Spec]

    def producers(self) -> dict[int, Step]:
        """Which step gives each value."""
        return {value: step for step in self.steps for value in step.values}

    def readers(self) -> Readers:
        """Which steps read each value."""
        found: Readers = {}
        for step in self.steps:
            for value in set(step.uses()):
                found.setdefault(value, []).append(step)
        return found

    def only_reader(self, value: int, readers: Readers) -> Step | None:
        """The step that alone reads a value, which nobody else is given."""
        found = readers.get(value, [])
        return found[0] if len(found) == 1 and value not in self.given and found[0].uses().count(value) == 1 else None

    def depends_on_weights(self, value: int, producers: dict[int, Step]) -> bool:
        """Whether a value is made of anything but the images and constants."""
        if value in producers:
            return any(self.depends_on_weights(each, producers) for each in producers[value].uses())
        return value in self.weights

    def chain_to(self, last: Step, length: int, readers: Readers, producers: dict[int, Step]) -> list[Step]:
        """At most so many steps, each of which alone reads as its first value what the one before gives."""
        chain = [last]
        while len(chain) < length and chain[0].uses():
            before = chain[0].uses()[0]
            if before not in producers or self.only_reader(before, readers) is not chain[0]:
                break
            chain.insert(0, producers[before])
        return chain

    def new(self, spec: Spec) -> int:
        """The number of a new value."""
        number = max(self.specs) + 1
        self.specs[number] = spec
        return number


def rewritten(graph: Graph, patterns: Sequence[str]) -> Graph:
    """The graph after these patterns of `PATTERNS`, in this order."""
    first = [graph.images, *graph.parameters, *graph.buffers, *(constant.spec for constant in graph.constants)]
    specs = dict(enumerate([*first, *(spec for node in graph.nodes for spec in node.outputs)]))
    steps, count = [], len(first)
    for node in graph.nodes:
        steps.append(Step(node, tuple(range(count, count + len(node.outputs)))))
        count += len(node.outputs)
    given = frozenset(reference.number for reference in references_in((graph.outputs, graph.state)))
    weights = range(1, 1 + len(graph.parameters) + len(graph.buffers))
    for name in patterns:
        steps = PATTERNS[name](Program(steps, given, weights, specs))
    return _numbered(graph, _in_order(steps), len(first))


def _in_order(steps: Sequence[Step]) -> list[Step]:
    """The steps, each after those whose values it reads, and else in the order that they have."""
    producer = {value: step for step in steps for value in step.values}
    ordered: dict[int, Step] = {}

    def put(step: Step) -> None:
        if id(step) not in ordered:
            for value in step.uses():
                if value in producer:
                    put(producer[value])
            ordered[id(step)] = step

    for step in steps:
        put(step)
    return list(ordered.values())


def _numbered(graph: Graph, steps: Sequence[Step], first: int) -> Graph:
    """A graph of steps, whose values have the numbers that graphs give."""
    numbers = {value: value for value in range(first)}
    nodes = []
    for step in steps:

        def renamed(reference: Reference) -> Reference:
            return Reference(numbers[reference.number])

        keywords = tuple((name, replaced(value, renamed)) for name, value in step.node.keywords)
        nodes.append(replace(step.node, arguments=replaced(step.node.arguments, renamed), keywords=keywords))
        for value in step.values:
            numbers[value] = len(numbers)
    outputs, state = (replaced(each, lambda it: Reference(numbers[it.number])) for each in (graph.outputs, graph.state))
    return replace(graph, nodes=tuple(nodes), outputs=outputs, state=state)


def _argument(node: Node, place: int, default: Any = None) -> Any:
    return node.arguments[place] if len(node.arguments) > place else default


def _with(steps: Sequence[Step], instead: dict[int, Step | None]) -> list[Step]:
    """The steps with others in the place of some, by their `id`; None leaves a step out."""
    changed = (instead.get(id(step), step) for step in steps)
    return [step for step in changed if step is not None]


def _without_bias(step: Step) -> Step:
    node = step.node
    return replace(step, node=replace(node, arguments=(*node.arguments[:2], None, *node.arguments[3:])))


def bias_before_norm(program: Program) -> list[Step]:
    """A bias before batch normalisation in training goes with the mean: only the running mean has it.

    Its gradient is 0.
    """
    readers = program.readers()
    instead: dict[int, Step | None] = {}
    for step in program.steps:
        if step.node.operation not in CONVOLUTIONS or not isinstance(_argument(step.node, 2), Reference):
            continue
        reader = program.only_reader(step.values[0], readers)
        if reader and reader.node.operation == BATCH_NORM and len(reader.node.arguments) == 7:
            instead[id(step)] = _without_bias(step)
            with_shift = replace(reader.node, arguments=(*reader.node.arguments, step.node.arguments[2]))
            instead[id(reader)] = replace(reader, node=with_shift)
    return _with(program.steps, instead)


def pool_and_relu(program: Program) -> list[Step]:
    """Max pooling, a ReLU before or after it, and the bias of the convolution that is pooled, are one operation."""
    readers, producers = program.readers(), program.producers()
    instead: dict[int, Step | None] = {}
    for pool in program.steps:
        axes = MAX_POOLS.get(pool.node.operation)
        if axes is None or len(pool.node.outputs[0].shape) != axes + 2:
            continue
        source, after = pool.node.arguments[0].number, program.only_reader(pool.values[0], readers)
        before = producers.get(source)
        if before and id(before) in instead:  # a ReLU between two poolings, which is the first's
            before = None
        if before and before.node.operation == RELU and program.only_reader(source, readers):
            relu, values, source = before, pool.values, before.node.arguments[0].number
        elif after and after.node.operation == RELU:
            relu, values = after, after.values
        else:
            continue
        made, bias = producers.get(source), None
        if made and made.node.operation in CONVOLUTIONS and program.only_reader(source, readers):
            bias = _argument(made.node, 2)
            instead[id(made)] = _without_bias(made)
        arguments = (Reference(source), bias, *pool.node.arguments[1:])
        node = replace(pool.node, operation=MAX_POOL_RELU, arguments=arguments)
        instead |= {id(relu): None, id(pool): Step(node, values)}
    return _with(program.steps, instead)


def sum_and_relu(program: Program) -> list[Step]:
    """The ReLU of a convolution, or of a sum of two values, is one operation with what is added before."""
    readers, producers = program.readers(), program.producers()
    instead: dict[int, Step | None] = {}
    added: list[Step] = []
    for relu in program.steps:
        made = _made_for(relu, program, readers, producers)
        if made is None:
            continue
        node, (x, bias, others) = made.node, (made.values[0], None, None)
        if node.operation in CONVOLUTIONS:
            instead[id(made)] = _without_bias(made)
            if isinstance(_argument(node, 2), Reference):
                added.append(_with_axes_of(relu, node.arguments[2], program))
                bias = Reference(added[-1].values[0])
        elif _is_of_alike(made, program):
            x, others = made.uses()[0], Reference(made.uses()[1])
            instead[id(made)] = None
        else:
            continue
        sum_of = replace(relu.node, operation="twofold.relu_of_sum", arguments=(Reference(x), bias, others))
        instead[id(relu)] = replace(relu, node=sum_of)
    return [*added, *_with(program.steps, instead)]


def unseen_by_pooling(program: Program) -> list[Step]:
    """Where a convolution's last places are in no window of the pooling that alone reads it, they are not computed."""
    readers, producers = program.readers(), program.producers()
    instead: dict[int, Step | None] = {}
    for pool in program.steps:
        if pool.node.operation not in (MAX_POOL_RELU, *MAX_POOLS):
            continue
        made = producers.get(pool.uses()[0])
        if not made or made.node.operation not in CONVOLUTIONS or not program.only_reader(made.values[0], readers):
            continue
        spec, weight = made.node.outputs[0], program.specs[made.uses()[1]]
        axes = MAX_POOLS.get(pool.node.operation, len(spec.shape) - 2)
        how = pool.node.arguments[2 if pool.node.operation == MAX_POOL_RELU else 1 :]
        numbers = unseen(spec.shape[2:], *how, **dict(pool.node.keywords))
        if any(numbers) and len(weight.shape) == len(spec.shape) == axes + 2:
            sizes = tuple(size - number for size, number in zip(spec.shape[2:], numbers))
            program.specs[made.values[0]] = seen = replace(spec, shape=(*spec.shape[:2], *sizes))
            keywords = (*made.node.keywords, ("unseen", numbers))
            instead[id(made)] = replace(made, node=replace(made.node, outputs=(seen,), keywords=keywords))
    return _with(program.steps, instead)


def norm_and_relu(program: Program) -> list[Step]:
    """A normalisation and the ReLU of it, or of its sum with another value, are one operation."""
    readers, producers = program.readers(), program.producers()
    instead: dict[int, Step | None] = {}
    for relu in program.steps:
        norm = made = _made_for(relu, program, readers, producers)
        others: tuple[Reference, ...] = ()
        if made and _is_of_alike(made, program):
            first, second = (_normalisation(producers.get(value), program, readers) for value in made.uses())
            norm = second or first
            others = (Reference(made.uses()[0 if second else 1]),)
        norm = _normalisation(norm, program, readers)
        if made is None or norm is None or id(norm) in instead:
            continue
        images = (norm.node.arguments[0], *others)
        node = replace(
            norm.node,
            arguments=(images if others else images[0], *norm.node.arguments[1:]),
            keywords=(*norm.node.keywords, ("relu", True)),
        )
        instead |= {id(norm): None, id(made): None, id(relu): Step(node, (*relu.values, *norm.values[1:]))}
    return _with(program.steps, instead)


def _made_for(relu: Step, program: Program, readers: Readers, producers: dict[int, Step]) -> Step | None:
    """What makes the images that are read by this ReLU alone; None where it is no ReLU, or others read them too."""
    made = producers.get(relu.uses()[0]) if relu.node.operation == RELU else None
    images = len(relu.node.outputs[0].shape) > 2
    return made if made and images and program.only_reader(made.values[0], readers) else None


def _normalisation(step: Step | None, program: Program, readers: Readers) -> Step | None:
    """The step, where it is a normalisation whose outcome is read once."""
    if step is None or step.node.operation not in _NORMALISATIONS or ("relu", True) in step.node.keywords:
        return None
    return step if program.only_reader(step.values[0], readers) else None


def _is_of_alike(step: Step, program: Program) -> bool:
    """Whether a step is the addition of two values of one shape and type, as they are."""
    if step.node.operation != "aten.add.Tensor":
        return False
    alike = {program.specs[value] for value in step.uses()} == {step.node.outputs[0]}
    return alike and len(step.uses()) == len(step.node.arguments) == 2 and not step.node.keywords


def _with_axes_of(images: Step, bias: Reference, program: Program) -> Step:
    """What gives a bias of channels the axes of images."""
    shape = (1, -1, *[1] * (len(images.node.outputs[0].shape) - 2))
    spec = Spec((1, *program.specs[bias.number].shape, *shape[2:]), images.node.outputs[0].dtype)
    return Step(Node("aten.view.default", (bias, shape), (), (spec,), images.node.line), (program.new(spec),))


def papers_branch(program: Program) -> list[Step]:
    """The two convolutions of the paper's layout, with their pooling, are the operation of its built-in networks.

    That has no gradient of the images, which must depend on no weights.
    """
    readers, producers = program.readers(), program.producers()
    instead: dict[int, Step | None] = {}
    for last in program.steps:
        chain = program.chain_to(last, 4, readers, producers)
        if [_of_papers(step, program) for step in chain] != ["first", "pool", "second", "pool"]:
            continue
        (images, *weights), biases = chain[0].uses(), (chain[1].uses()[1], chain[3].uses()[1])
        if program.depends_on_weights(images, producers):
            continue
        order = (images, weights[0], biases[0], chain[2].uses()[1], biases[1])
        node = replace(last.node, operation="twofold.papers_branch", arguments=tuple(map(Reference, order)))
        instead |= {**{id(step): None for step in chain}, id(last): Step(node, last.values)}
    return _with(program.steps, instead)


def _of_papers(step: Step, program: Program) -> str:
    """Which part of the paper's layout a step is, if any."""
    node = step.node
    if node.operation == MAX_POOL_RELU:
        windows = [size if isinstance(size, tuple) else (size,) * 2 for size in node.arguments[2:]]
        return "pool" if windows in ([(2, 2)], [(2, 2)] * 2) and not node.keywords and len(step.uses()) == 2 else ""
    plain = node.operation == "aten.conv2d.default" and all(
        value in usual for value, usual in zip(node.arguments[2:], _PLAIN_CONVOLUTION)
    )
    if not plain or node.keywords or len(node.outputs[0].shape) != 4:
        return ""
    shape = program.specs[step.uses()[1]].shape
    rows = min(program.specs[step.uses()[0]].shape[2:])
    if shape == (32, 1, 3, 3) and rows >= 10:
        return "first"
    return "second" if shape == (64, 32, 3, 3) else ""


# Of a convolution's arguments after its weights: those of a plain one.
_PLAIN_CONVOLUTION = ((None,), (1, (1, 1)), (0, (0, 0)), (1, (1, 1)), (1,))


def two_calls(program: Program) -> list[Step]:
    """Two calls of one branch on different images are one call on all of them, as far as each row is by itself."""
    merging = _Merging(program)
    for first, second in merging.beginnings():
        merging.try_from(first, second)
    return merging.steps


class _Merging:
    """Steps of which pairs become one, on the rows of both, those of the first before those of the second."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self.steps = program.steps

    def beginnings(self) -> list[tuple[Step, Step]]:
        """Pairs of products by the same weights."""
        by_weights: dict[tuple, list[Step]] = {}
        for step in self._program.steps:
            if step.node.operation in _PRODUCTS:
                key = (step.node.operation, step.node.arguments[1:], step.node.keywords, step.node.outputs)
                by_weights.setdefault(key, []).append(step)
        return [(several[0], several[1]) for several in by_weights.values() if len(several) == 2]

    def try_from(self, first: Step, second: Step) -> None:
        """Merge two products and all that follows, where it is worth it."""
        there = {id(step) for step in self.steps}
        fitting = {id(first), id(second)} <= there and all(map(self._works_by_row, (first, second)))
        if not fitting or not self._independent(first, second):
            return
        pairs = self._following(first, second)
        if sum(one.node.operation in _PRODUCTS for one, _ in pairs) >= _FEWEST_PRODUCTS:
            self._merge(pairs)

    def _independent(self, first: Step, second: Step) -> bool:
        """Whether neither needs what the other gives."""
        producers = replace(self._program, steps=self.steps).producers()

        def needs(step: Step, other: Step) -> bool:
            waiting, seen = list(step.uses()), set[int]()
            while waiting:
                value = waiting.pop()
                if value in other.values:
                    return True
                if value in producers and value not in seen:
                    seen.add(value)
                    waiting += producers[value].uses()
            return False

        return not needs(first, second) and not needs(second, first)

    def _following(self, first: Step, second: Step) -> list[tuple[Step, Step]]:
        """The pairs of steps that do the same to the rows of both, from two products on."""
        pairs, partner = [(first, second)], {first.values[0]: second.values[0]}
        taken = {id(first), id(second)}
        for one in self.steps:
            if id(one) in taken or not any(value in partner for value in one.uses()):
                continue
            for other in self.steps:
                if id(other) not in taken and id(other) != id(one) and self._same(one, other, partner):
                    pairs.append((one, other))
                    taken |= {id(one), id(other)}
                    partner[one.values[0]] = other.values[0]
                    break
        return pairs

    def _same(self, one: Step, other: Step, partner: dict[int, int]) -> bool:
        """Whether two steps do the same to each row of values that are partners."""
        a, b = one.node, other.node
        if (a.operation, a.keywords, a.outputs) != (b.operation, b.keywords, b.outputs) or not self._works_by_row(one):
            return False
        if replaced(a.arguments, lambda _: None) != replaced(b.arguments, lambda _: None):
            return False
        paired = [partner.get(value) == with_ for value, with_ in zip(one.uses(), other.uses(), strict=True)]
        return all(paired) if a.operation in _TOGETHER else paired[0] and one.uses()[1:] == other.uses()[1:]

    def _works_by_row(self, step: Step) -> bool:
        """Whether each row of what a step gives is made of the same row of its first argument, or of all."""
        node = step.node
        if len(node.outputs) != 1 or not isinstance(node.arguments[0], Reference):
            return False
        given, made = self._program.specs[step.uses()[0]].shape, node.outputs[0].shape
        if len(given) < 2 or len(made) < 2 or given[0] != made[0]:
            return False
        if node.operation == "aten.flatten.using_ints":
            return bool(_argument(node, 1, 0) > 0)
        if node.operation == "aten.layer_norm.default":
            return len(node.arguments[1]) < len(made)
        return node.operation in _PRODUCTS | _BY_ROW | _TOGETHER | _RESHAPES

    def _merge(self, pairs: Sequence[tuple[Step, Step]]) -> None:
        specs = self._program.specs
        both: dict[int, int] = {}  # of a value of the first of a pair: of the value that has both
        added: list[Step] = []
        for one, other in pairs:
            for place, value in enumerate(one.uses()):
                if value != other.uses()[place] and value not in both:
                    both[value] = self._program.new(_twice(specs[value]))
                    parts = (Reference(value), Reference(other.uses()[place]))
                    node = Node("aten.cat.default", (parts, 0), (), (specs[both[value]],), one.node.line)
                    added.append(Step(node, (both[value],)))
            both[one.values[0]] = self._program.new(_twice(one.node.outputs[0]))
            added.append(_of_both(one, other, both, specs))
        merged = {id(each) for pair in pairs for each in pair}
        rest = [step for step in self.steps if id(step) not in merged]
        needed = {value for step in rest for value in step.uses()} | self._program.given
        for one, other in pairs:
            rows = one.node.outputs[0].shape[0]
            for begin, each in ((0, one), (rows, other)):
                if each.values[0] in needed:
                    arguments = (Reference(both[one.values[0]]), 0, begin, begin + rows)
                    node = Node("aten.slice.Tensor", arguments, (), each.node.outputs, each.node.line)
                    added.append(Step(node, each.values))
        self.steps = _in_order([*rest, *added])


def _twice(spec: Spec) -> Spec:
    return Spec((2 * spec.shape[0], *spec.shape[1:]), spec.dtype)


def _of_both(one: Step, other: Step, both: dict[int, int], specs: dict[int, Spec]) -> Step:
    """The step for the rows of both."""
    differing = dict(zip(one.uses(), other.uses()))

    def joined(reference: Reference) -> Reference:
        value = reference.number
        return Reference(both[value]) if differing[value] != value else reference

    arguments = replaced(one.node.arguments, joined)
    outputs = (_twice(one.node.outputs[0]),)
    if one.node.operation in _RESHAPES:
        arguments = (arguments[0], outputs[0].shape)
    return Step(replace(one.node, arguments=arguments, outputs=outputs), (both[one.values[0]],))


PATTERNS: dict[str, Pattern] = {
    "bias before normalisation": bias_before_norm,
    "pooling with bias and ReLU": pool_and_relu,
    "two calls of a branch": two_calls,
    "the paper's branch": papers_branch,
    "what pooling does not see": unseen_by_pooling,
    "normalisation with ReLU": norm_and_relu,
    "ReLU with what is added": sum_and_relu,
}

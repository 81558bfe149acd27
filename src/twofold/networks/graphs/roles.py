"""What each output of a network is: the answer, class predictions, embeddings, or none; told by its shape alone.

Shapes are compared between two numbers of pairs, so that the axis of pairs is never taken for another that happens to
be as long. Of outputs that end in a sigmoid or softmax, what goes into that is trained on: the same numbers, without
the rounding that makes gradients vanish.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from twofold.errors import NetworkError
from twofold.networks.graphs.graph import Graph, Node, Reference, Spec, references_in

# A shape with the axes that grow with the number of pairs n as "n" or "2n".
Shape: TypeAlias = tuple[int | str, ...]

# What the answer is given as.
Answer = Literal["two logits", "one logit", "class predictions alone", "distance of embeddings"]

_ROLES = ("answer", "classes", "embedding", "unused")

# How class predictions, or embeddings, are laid out: (n, classes) for each image; (n, 2, classes); (2, n, classes);
# (2n, classes) with the two images of a pair one after the other, or all first images before all second ones, which
# shapes do not tell apart: whoever has the network asks it.
Layout = Literal["apart", "stacked", "stacked first", "successive rows", "halves"]

# Where the numbers of an output lie, whatever the weights are.
Range = Literal["any", "from 0 to 1", "from 0", "to 0", "one number"]

# A sum of probabilities may be so far above 1.
_ROUNDED = 1e-5

# Operations that only rearrange: the logits behind a sigmoid are those behind its reshaped result as well.
_REARRANGES = {
    f"aten.{name}"
    for name in [
        "squeeze.default",
        "squeeze.dim",
        "squeeze.dims",
        "unsqueeze.default",
        "view.default",
        "reshape.default",
        "flatten.using_ints",
        "select.int",
        "slice.Tensor",
        "permute.default",
        "transpose.int",
        "clone.default",
        "contiguous.default",
        "alias.default",
    ]
}
_SIGMOIDS = {"aten.sigmoid.default"}
_SOFTMAXES = {"aten.softmax.int", "aten._softmax.default", "aten.special_softmax.int"}

_WOULD_DO = (
    "one answer of (n, 2), (n, 1) or (n,), and class predictions of (n, {0}) for each image, of (n, 2, {0}) or "
    "(2n, {0}) for both, or none; or no answer, and two embeddings of (n, d)"
)


@dataclass(frozen=True)
class Roles:
    """What a network's outputs are.

    `of_outputs` says of each output in its order whether it is the "answer", "classes", "embedding" or "unused".
    `logits_taken` says whether what goes into a sigmoid or softmax is taken for what comes out; `unused` are the shapes
    of outputs that are neither. `embeddings` have so many numbers an image (`width`).
    """

    answer: Answer
    classes: Layout | None
    of_outputs: tuple[str, ...]
    logits_taken: bool
    unused: tuple[Shape, ...]
    embeddings: Layout | None = None
    width: int | None = None


def find_roles(
    network: str, graphs: Sequence[Graph], classes: int, *, rows: bool, outputs: Sequence[str] | None = None
) -> Roles:
    """The roles of a network's outputs, from its graphs for several numbers of pairs.

    `rows` says that it is given the two images of a pair one after the other. `outputs` says of each output what it is
    ("answer", "classes", "embedding", "unused"), where shapes do not tell. Raises `NetworkError` where they do not, or
    where a graph has others than the first.
    """
    found = [outputs_of(graph) for graph in graphs]
    ranks = [[len(spec_of(graph, each).shape) for each in several] for graph, several in zip(graphs, found)]
    if any(each != ranks[0] for each in ranks):
        raise NetworkError(f"{network}: it has other outputs in training than in evaluation; give the same in both")
    if not found[0]:
        raise NetworkError(f"{network}: it returns no numbers; end it with return, and what it has computed")
    shapes = [_shape(graphs, [each[place] for each in found]) for place in range(len(found[0]))]
    # There is no gradient through a whole number, such as a predicted class.
    reals = [spec_of(graphs[0], reference).dtype.startswith(("float", "bfloat")) for reference in found[0]]
    said = _said(network, shapes, reals, classes, outputs)
    of = {role: [shape for shape, each in zip(shapes, said) if each == role] for role in _ROLES}
    taken = any(_chosen(graph, said, ["any"] * len(said))[1] for graph in graphs)
    if of["embedding"]:
        layout, width = _layout(of["embedding"], rows=rows), of["embedding"][0][-1]
        return Roles("distance of embeddings", None, tuple(said), taken, tuple(of["unused"]), layout, int(width))
    answer: Answer = "class predictions alone"
    if of["answer"]:
        answer = "two logits" if of["answer"][0] == ("n", 2) else "one logit"
    return Roles(answer, _layout(of["classes"], rows=rows), tuple(said), taken, tuple(of["unused"]))


def in_roles(graph: Graph, roles: Roles, ranges: Sequence[Range]) -> Graph:
    """A graph of the network, for any number of pairs, whose only outputs are those with a role, the answer first.

    An answer and class predictions are given as logits, embeddings as they are.

    `ranges` says of each output of the network in this mode where its numbers lie.
    """
    return _chosen(graph, roles.of_outputs, ranges)[0]


def outputs_of(graph: Graph) -> list[Reference]:
    """A network's outputs in their order."""
    return references_in(_nested(graph.outputs))


def range_of(least: float, most: float) -> Range:
    """Where numbers lie of which these are the least and the largest that were seen."""
    if least == most:
        return "one number"
    if least >= -_ROUNDED:
        return "from 0 to 1" if most <= 1 + _ROUNDED else "from 0"
    return "to 0" if most <= _ROUNDED else "any"


def _chosen(graph: Graph, said: Sequence[str], ranges: Sequence[Range]) -> tuple[Graph, bool]:
    """The graph with the outputs that have a role, and whether what goes into a sigmoid or softmax was taken."""
    builder = _Behind(graph)
    outputs = [
        reference if role == "embedding" else builder.logits(reference, within)
        for role in ("answer", "classes", "embedding")
        for reference, each, within in zip(outputs_of(graph), said, ranges, strict=True)
        if each == role
    ]
    return replace(graph, nodes=tuple(builder.nodes), outputs=tuple(outputs)), builder.taken


def shape_text(shape: Shape) -> str:
    """A shape as people write it: (n, 2)."""
    return f"({', '.join(map(str, shape))}{',' if len(shape) == 1 else ''})"


def _nested(outputs: Any) -> Any:
    return outputs if isinstance(outputs, tuple | dict) else (outputs,)


def _shape(graphs: Sequence[Graph], references: Sequence[Reference]) -> Shape:
    """The shape of an output, with the axes that grow with the number of pairs."""
    pairs = [graph.images.shape[0] for graph in graphs]
    shapes = [spec_of(graph, reference).shape for graph, reference in zip(graphs, references)]

    def axis(sizes: tuple[int, ...]) -> int | str:
        if len(set(sizes)) == 1 and len(set(pairs)) > 1:
            return sizes[0]
        for factor, name in ((1, "n"), (2, "2n")):
            if sizes == tuple(factor * n for n in pairs):
                return name
        return "?"

    return tuple(axis(sizes) for sizes in zip(*shapes))


def spec_of(graph: Graph, reference: Reference) -> Spec:
    """The shape and type of a value."""
    specs = [graph.images, *graph.parameters, *graph.buffers, *(constant.spec for constant in graph.constants)]
    specs += [spec for node in graph.nodes for spec in node.outputs]
    return specs[reference.number]


def _said(
    network: str, shapes: Sequence[Shape], reals: Sequence[bool], classes: int, outputs: Sequence[str] | None
) -> list[str]:
    """What each output is: as it is said, or by the rule. Only what is made of real numbers can have a role."""
    if outputs is not None:
        if len(outputs) != len(shapes) or set(outputs) - set(_ROLES):
            raise NetworkError(
                f"{network}: `outputs` (={list(outputs)!r}) must say of each of its {len(shapes)} outputs "
                f"({_listed(shapes)}) whether it is 'answer', 'classes', 'embedding' or 'unused'"
            )
        if any(role != "unused" and not real for role, real in zip(outputs, reals)):
            raise NetworkError(f"{network}: `outputs` (={list(outputs)!r}) gives a role to whole numbers; say 'unused'")
        _check_said(network, shapes, classes, outputs)
        return list(outputs)
    if not any(reals):
        raise NetworkError(
            f"{network}: its outputs ({_listed(shapes)}) are whole, Boolean or complex numbers, through which there is "
            "no gradient; give real numbers, such as logits"
        )
    by_shape = [_role(shape, classes) if real else "unused" for shape, real in zip(shapes, reals)]
    embedding = ["embedding" if real and _may_embed(shape) else "unused" for shape, real in zip(shapes, reals)]
    roles = embedding if set(by_shape) == {"unused"} else by_shape
    if "both" in roles or not _fit(shapes, roles, classes):
        meant = _could_be_meant(shapes, by_shape, embedding, classes)
        raise NetworkError(
            f"{network}: its outputs are {_listed(shapes)}, of which it cannot be told what is the answer; what would "
            f"do is {_WOULD_DO.format(classes)}"
            f"{f'; or say in Python which is meant: network(Net, outputs={meant})' if meant else ''}"
        )
    return roles


def _could_be_meant(
    shapes: Sequence[Shape], by_shape: Sequence[str], embedding: Sequence[str], classes: int
) -> list[str]:
    """Roles that outputs could have which do not tell theirs, as an example; none where nothing would do."""
    places = range(len(shapes))
    answers = [place for place in places if by_shape[place] in ("answer", "both")]
    embeddings = [place for place in places if embedding[place] == "embedding"]
    chosen = [list(embedding)]
    chosen += [["answer" if each == place else "unused" for each in places] for place in answers]
    chosen += [
        ["embedding" if each in two else "unused" for each in places] for two in itertools.combinations(embeddings, 2)
    ]
    return next((roles for roles in chosen if _may_be(shapes, roles, classes)), [])


def embeddings_beside(roles: Roles) -> list[str]:
    """What the outputs would be if the embeddings beside an answer were meant; none where there are none."""
    shapes = iter(roles.unused)
    of_outputs = [next(shapes) if role == "unused" else () for role in roles.of_outputs]
    meant = ["embedding" if _may_embed(shape) else "unused" for shape in of_outputs]
    return meant if "embedding" in meant and _fit(of_outputs, meant, 0) else []


def _fit(shapes: Sequence[Shape], roles: Sequence[str], classes: int) -> bool:
    """Whether there is one answer at most, class predictions of both images or none, and one of these; or embeddings of
    both images, and nothing else."""
    embeddings = [shape for shape, role in zip(shapes, roles) if role == "embedding"]
    if embeddings:
        of_one = [shape[:-1] == ("n",) for shape in embeddings]
        right = of_one == [False] or (of_one == [True, True] and embeddings[0] == embeddings[1])
        return right and set(roles) <= {"embedding", "unused"}
    answers, predictions = roles.count("answer"), [s for s, role in zip(shapes, roles) if role == "classes"]
    apart = [shape for shape in predictions if shape == ("n", classes)]
    both = (len(predictions) in (0, 1) and not apart) or len(predictions) == len(apart) == 2
    return answers <= 1 and both and bool(answers or predictions)


def _check_said(network: str, shapes: Sequence[Shape], classes: int, outputs: Sequence[str]) -> None:
    """Raise `NetworkError` where the roles that are said do not fit the shapes."""
    if not _may_be(shapes, outputs, classes):
        raise NetworkError(
            f"{network}: `outputs` (={list(outputs)!r}) does not fit its outputs {_listed(shapes)}; what would do is "
            f"{_WOULD_DO.format(classes)}"
        )


def _may_be(shapes: Sequence[Shape], roles: Sequence[str], classes: int) -> bool:
    """Whether outputs of these shapes may have these roles."""
    right = all(
        role == "unused" or (_may_embed(shape) if role == "embedding" else _role(shape, classes) in (role, "both"))
        for role, shape in zip(roles, shapes)
    )
    return right and _fit(shapes, roles, classes)


def _role(shape: Shape, classes: int) -> str:
    is_answer = shape in (("n", 2), ("n", 1), ("n",))
    is_class = shape in (("n", classes), ("n", 2, classes), (2, "n", classes), ("2n", classes))
    if is_answer and is_class:
        return "both"
    return "answer" if is_answer else "classes" if is_class else "unused"


def _may_embed(shape: Shape) -> bool:
    """Whether an output may be the embedding of an image, or of both."""
    width = shape[-1] if shape else "n"
    return isinstance(width, int) and shape[:-1] in (("n",), ("n", 2), (2, "n"), ("2n",))


def _layout(shapes: Sequence[Shape], *, rows: bool) -> Layout | None:
    if not shapes:
        return None
    if len(shapes) == 2:
        return "apart"
    if shapes[0][0] == "2n":
        return "successive rows" if rows else "halves"
    return "stacked first" if shapes[0][0] == 2 else "stacked"


def _listed(shapes: Sequence[Shape]) -> str:
    return ", ".join(map(shape_text, shapes)) or "none"


class _Behind:
    """A graph to which is added what makes logits of probabilities."""

    def __init__(self, graph: Graph) -> None:
        self.nodes = list(graph.nodes)
        self.taken = False
        self._graph = graph
        self._first = 1 + len(graph.parameters) + len(graph.buffers) + len(graph.constants)
        self._of: dict[int, Node] = {}
        self._count = self._first
        for node in graph.nodes:
            self._of.update(dict.fromkeys(range(self._count, self._count + len(node.outputs)), node))
            self._count += len(node.outputs)

    def logits(self, output: Reference, within: Range) -> Reference:
        """The output as logits, in its place and shape: what goes into the sigmoid or softmax that it comes from, or
        what probabilities and their logarithms are the probabilities of."""
        chain: list[Node] = []
        reference = output
        while node := self._of.get(reference.number):
            if node.operation in _SIGMOIDS:
                self.taken = True
                return self._again(node.arguments[0], chain)
            if node.operation in _SOFTMAXES and _over_last(node):
                return self._behind_softmax(node, chain, output, within)
            if node.operation not in _REARRANGES or len(node.outputs) != 1:
                break
            chain.append(node)
            reference = node.arguments[0]
        return self._of_range(output, within)

    def _behind_softmax(self, node: Node, chain: list[Node], output: Reference, within: Range) -> Reference:
        """Where all classes are still there, in their places, what goes in; of one class its logit against the rest."""
        count = node.outputs[0].shape[-1]
        kept = list(itertools.takewhile(lambda each: _keeps_last(each, count), reversed(chain)))
        if len(kept) == len(chain) and count > 1:
            self.taken = True
            return self._again(node.arguments[0], chain)
        cut, place = chain[len(chain) - len(kept) - 1] if chain else node, None
        if count > 1:
            place = _one_of_last(cut, count)
        if place is None:
            return self._of_range(output, within)
        self.taken = True
        value = self._again(node.arguments[0], list(reversed(kept)))
        value = self._add("twofold.logit_of_one", (value, place, "slice" in cut.operation), cut.outputs)
        return self._again(value, chain[: len(chain) - len(kept) - 1])

    def _of_range(self, output: Reference, within: Range) -> Reference:
        if within not in ("from 0 to 1", "to 0"):
            return output
        spec = spec_of(self._graph, output)
        single = len(spec.shape) == 1 or spec.shape[-1] == 1
        if within == "to 0":  # logarithms of several probabilities are logits as they are
            return self._add("twofold.logit_of_logarithm", (output,), (spec,)) if single else output
        return self._add("twofold.logit" if single else "twofold.logarithm_of_probability", (output,), (spec,))

    def _again(self, value: Reference, chain: Sequence[Node]) -> Reference:
        """The value after the operations of a chain, of which the last is done first."""
        for node in reversed(chain):
            value = self._add(node.operation, (value, *node.arguments[1:]), node.outputs, node.keywords)
        return value

    def _add(self, operation: str, arguments: tuple, outputs: tuple[Spec, ...], keywords: tuple = ()) -> Reference:
        self.nodes.append(Node(operation, arguments, keywords, outputs))
        self._count += 1
        return Reference(self._count - 1)


def _keeps_last(node: Node, count: int) -> bool:
    """Whether an operation that rearranges leaves the last axis, of so many places, as it is."""
    ndim = len(node.outputs[0].shape)
    if node.operation in ("aten.permute.default", "aten.transpose.int"):
        return False
    if node.operation in ("aten.select.int", "aten.slice.Tensor"):
        before = ndim + (node.operation == "aten.select.int")
        dim = dict(node.keywords).get("dim", node.arguments[1] if len(node.arguments) > 1 else 0)
        return dim % before != before - 1
    return ndim > 0 and node.outputs[0].shape[-1] == count


def _one_of_last(node: Node, count: int) -> int | None:
    """Which one of so many places of the last axis an operation takes; None where it is no such operation."""
    if node.operation == "aten.select.int":
        return node.arguments[2] % count
    if node.operation == "aten.slice.Tensor" and node.outputs[0].shape[-1] == 1 and len(node.arguments) > 2:
        return (node.arguments[2] or 0) % count
    return None


def _over_last(node: Node) -> bool:
    dim = dict(node.keywords).get("dim", node.arguments[1] if len(node.arguments) > 1 else None)
    return dim in (-1, len(node.outputs[0].shape) - 1)

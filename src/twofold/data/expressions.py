"""Questions as they are typed: an expression over a and b, the numbers of the two classes, with names in quotes.

It is read by Python's own parser, from which only what is listed here is taken, and computed for all pairs of classes
at once. Nothing of it is ever run as Python, and its length, depth and numbers are bounded.
"""

import ast
import difflib
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Int

from twofold.data.reading import listed_classes
from twofold.errors import SettingError, shown

Numbers = Int[np.ndarray, " n"]
Answers = Bool[np.ndarray, " n"]

# Longer or deeper expressions nobody reads; of numbers up to the largest, products still fit into 64 bits.
_LONGEST, _DEEPEST, _LARGEST = 500, 40, 10**9

# So many of the classes' names an error lists.
_MOST_LISTED = 12

_EXAMPLE = "abs(a - b) <= 1"

_ARITHMETIC: Mapping[type, Callable[[Numbers, Numbers], Numbers]] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
}
_COMPARISONS: Mapping[type, Callable[[Any, Any], Answers]] = {
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
}
_FUNCTIONS: Mapping[str, Callable[..., Numbers]] = {"abs": np.abs, "min": np.minimum, "max": np.maximum}

# What people write that is no part of the language, in words, with what to write instead.
_REFUSED: Mapping[type, str] = {
    ast.Attribute: "a dot asks for a part of something, and numbers have none here",
    ast.Lambda: "lambda makes a function; write what it gives",
    ast.NamedExpr: "nothing can be assigned",
    ast.JoinedStr: "text cannot be made",
    ast.IfExp: "there is no if; join comparisons by and, or, not",
    ast.Subscript: "nothing can be taken out of something by [ ]",
    ast.Div: "/ gives fractions; write //",
    ast.BitAnd: "& works on bits; write and",
    ast.BitOr: "| works on bits; write or",
    ast.BitXor: "^ works on bits; write != for either, ** for a power",
    ast.Invert: "~ works on bits; write not",
    ast.Is: "is compares objects; write ==",
    ast.IsNot: "is not compares objects; write !=",
}


class Expression:
    """An expression that has been read: its `text`, as typed but in one line and without comments, and its answers.

    Raises `SettingError` for what is no expression, or is longer or deeper than any that a person reads.
    """

    def __init__(self, typed: str) -> None:
        self._typed = typed
        self._body = self._parsed().body
        in_one_line = not {"\n", "\r", "\t", "\f", "#"} & set(typed.strip())
        self.text = typed.strip() if in_one_line else ast.unparse(self._body)

    def answers(self, class_names: Sequence[str]) -> Bool[np.ndarray, "classes classes"]:
        """Whether it is true of each class as the first, down, and each class as the second, across.

        Raises `SettingError` where it uses what is not allowed, or cannot be computed for some two classes.
        """
        first, second = np.indices((len(class_names),) * 2, dtype=np.int64).reshape(2, -1)
        found = _Evaluation(self, class_names, first, second).value(self._body)
        if found.dtype != bool:
            raise self.wrong("it is a number; compare it, as in (a + b) % 2 == 0")
        return found.reshape((len(class_names),) * 2)

    def wrong(self, why: str) -> SettingError:
        """The error of one line that says what is wrong with it."""
        return SettingError(f"`relation` (={shown(repr(self._typed))}) cannot be asked: {why}")

    def _parsed(self) -> ast.Expression:
        if len(self._typed) > _LONGEST:
            raise self.wrong(f"it has {len(self._typed)} characters, and at most {_LONGEST} are read")
        try:
            with warnings.catch_warnings(action="ignore"):
                tree = ast.parse(self._typed.strip(), mode="eval")
        except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
            reason = error.msg if isinstance(error, SyntaxError) else "it is no text of Python's"
            raise self.wrong(f"{reason}; write an expression such as {_EXAMPLE}") from error
        if _depth(tree.body) > _DEEPEST:
            raise self.wrong(f"it is nested deeper than {_DEEPEST}; write it shorter")
        return tree


def _depth(body: ast.expr) -> int:
    """How deep it is nested; not by recursion, which deep ones would exhaust."""
    depth, level = 0, [body]
    while level:
        depth += 1
        level = [child for node in level for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
    return depth


class _Evaluation:
    """An expression on some pairs of classes: numbers are arrays of 64-bit integers, answers arrays of bool.

    As in Python, what stands right of an `and`, an `or` or in a chain of comparisons is computed only for the pairs for
    which it decides: so `b != 0 and a % b == 0` divides by no zero.
    """

    def __init__(self, expression: Expression, class_names: Sequence[str], first: Numbers, second: Numbers) -> None:
        self._expression, self._class_names, self._wrong = expression, class_names, expression.wrong
        self._of = {"a": first, "b": second}

    def value(self, node: ast.AST) -> Any:
        """The value of a part."""
        match node:
            case ast.Name(id=name):
                return self._variable(name)
            case ast.Constant(value=int(number)) if not isinstance(number, bool):
                return self._bounded(np.full(self._count, np.clip(number, -_LARGEST - 1, _LARGEST + 1), np.int64))
            case ast.Constant(value=str(name)):
                raise self._wrong(f"{name!r} is a class, which can be compared and no more, as in a == {name!r}")
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return ~self._answers(operand)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
                numbers = self._numbers(operand)
                return -numbers if isinstance(sign, ast.USub) else numbers
            case ast.BinOp(left=left, op=operator, right=right):
                return self._bounded(self._arithmetic(operator, self._numbers(left), self._numbers(right)))
            case ast.BoolOp(op=operator, values=parts):
                return self._joined(parts, goes_on=isinstance(operator, ast.And))
            case ast.Compare(left=left, ops=operators, comparators=others):
                return self._compared(left, operators, others)
            case ast.Call():
                return self._called(node)
        raise self._refused(node)

    @property
    def _count(self) -> int:
        return len(self._of["a"])

    def _only(self, those: np.ndarray) -> "_Evaluation":
        """The same expression on some of the pairs."""
        return _Evaluation(self._expression, self._class_names, self._of["a"][those], self._of["b"][those])

    def _variable(self, name: str) -> Numbers:
        if name in self._of:
            return self._of[name]
        if name in self._class_names:
            raise self._wrong(f"{name} is a class, whose name must stand in quotes: a == {name!r}")
        raise self._wrong(f"there is no {name}; a and b are the classes of the first and the second image")

    def _numbers(self, node: ast.AST) -> Numbers:
        found = self.value(node)
        if found.dtype == bool:
            raise self._wrong(f"{ast.unparse(node)} is an answer, and a number is needed there")
        return found

    def _answers(self, node: ast.AST) -> Answers:
        found = self.value(node)
        if found.dtype != bool:
            raise self._wrong(f"{ast.unparse(node)} is a number, and an answer is needed there, such as {_EXAMPLE}")
        return found

    def _bounded(self, numbers: Numbers) -> Numbers:
        if self._count and np.abs(numbers).max() > _LARGEST:
            raise self._wrong(f"it comes to numbers beyond {_LARGEST:,}; use smaller ones")
        return numbers

    def _arithmetic(self, operator: ast.operator, left: Numbers, right: Numbers) -> Numbers:
        match operator:
            case ast.FloorDiv() | ast.Mod():
                if (right == 0).any():
                    sign = "//" if isinstance(operator, ast.FloorDiv) else "%"
                    raise self._wrong(f"it divides by zero ({sign}) {self._where(right == 0)}")
                return np.floor_divide(left, right) if isinstance(operator, ast.FloorDiv) else np.mod(left, right)
            case ast.Pow():
                if (right < 0).any():
                    raise self._wrong(f"it has a power below 0 {self._where(right < 0)}")
                with np.errstate(over="ignore"):
                    beyond = np.abs(left.astype(float)) ** right > _LARGEST
                return np.where(beyond, _LARGEST + 1, left ** np.where(beyond, 0, right))
        if type(operator) not in _ARITHMETIC:
            raise self._refused(operator)
        return _ARITHMETIC[type(operator)](left, right)

    def _where(self, wrong: np.ndarray) -> str:
        place = int(np.argmax(wrong))
        return f"for a = {self._of['a'][place]} and b = {self._of['b'][place]}"

    def _joined(self, parts: Sequence[ast.expr], *, goes_on: bool) -> Answers:
        """Parts joined by `and`, which goes on while they are true, or by `or`, which does while they are false."""
        found = self._answers(parts[0]).copy()
        for part in parts[1:]:
            open_ = np.flatnonzero(found == goes_on)
            found[open_] = self._only(open_)._answers(part)
        return found

    def _compared(self, left: ast.expr, operators: Sequence[ast.cmpop], others: Sequence[ast.expr]) -> Answers:
        found = np.ones(self._count, bool)
        for operator, right in zip(operators, others, strict=True):
            open_ = np.flatnonzero(found)
            found[open_] = self._only(open_)._compared_two(left, operator, right)
            left = right
        return found

    def _compared_two(self, left: ast.expr, operator: ast.cmpop, right: ast.expr) -> Answers:
        if isinstance(operator, ast.In | ast.NotIn):
            among = self._among(left, right)
            return among if isinstance(operator, ast.In) else ~among
        if type(operator) not in _COMPARISONS:
            raise self._refused(operator)
        values = [self._operand(each) for each in (left, right)]
        self._check_alike(left, right, *values)
        return _COMPARISONS[type(operator)](*values)

    def _among(self, left: ast.expr, right: ast.expr) -> Answers:
        if not isinstance(right, ast.Tuple | ast.List | ast.Set):
            raise self._wrong(f"after in stand values in brackets, as in a in (1, 2), not {ast.unparse(right)}")
        found, value = np.zeros(self._count, bool), self._operand(left)
        for each in right.elts:
            other = self._operand(each)
            self._check_alike(left, each, value, other)
            found |= value == other
        return found

    def _check_alike(self, left: ast.expr, right: ast.expr, *values: np.ndarray) -> None:
        if values[0].dtype != values[1].dtype:
            raise self._wrong(f"{ast.unparse(left)} and {ast.unparse(right)} are a number and an answer")

    def _operand(self, node: ast.expr) -> np.ndarray:
        """What is compared: a number, an answer, or a class by its name, which stands for its number."""
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            return np.full(self._count, self._class(node.value), np.int64)
        return self.value(node)

    def _class(self, name: str) -> int:
        if name in self._class_names:
            return list(self._class_names).index(name)
        near = difflib.get_close_matches(name, self._class_names, n=1, cutoff=0.5)
        listed = listed_classes(self._class_names[:_MOST_LISTED]) + (", …" if self._class_names[_MOST_LISTED:] else "")
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise self._wrong(f"there is no class {name!r}; {hint}the classes are {listed}")

    def _called(self, node: ast.Call) -> Numbers:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name not in _FUNCTIONS:
            raise self._wrong(f"{ast.unparse(node.func)} cannot be called; there are {', '.join(_FUNCTIONS)}")
        if node.keywords or any(isinstance(each, ast.Starred) for each in node.args):
            raise self._wrong(f"{name} takes numbers alone, as in {name}({'a' if name == 'abs' else 'a, b'})")
        if len(node.args) != 1 if name == "abs" else len(node.args) < 2:
            raise self._wrong(f"{name} takes {'one number' if name == 'abs' else 'two numbers or more'}")
        first, *others = map(self._numbers, node.args)
        if name == "abs":
            return np.abs(first)
        for other in others:
            first = _FUNCTIONS[name](first, other)
        return first

    def _refused(self, node: ast.AST) -> SettingError:
        known = next((why for kind, why in _REFUSED.items() if isinstance(node, kind)), "")
        if known:
            return self._wrong(known)
        what = ast.unparse(node) if isinstance(node, ast.expr) else type(node).__name__
        return self._wrong(
            f"{what} has no place in it; there are a, b, whole numbers, quoted class names, comparisons, + - * // % "
            f"**, and, or, not, {', '.join(_FUNCTIONS)}"
        )

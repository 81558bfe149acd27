"""The table of `twofold doctor`."""

from collections.abc import Iterator, Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from twofold.doctor import Finding

# Of packages that are as they should be these are shown, since numbers and speed depend on them.
_TELLING = ("jax", "jaxlib", "numba", "numpy")


def findings_table(found: Sequence[Finding], wrong: str = "would fail") -> Table:
    """A line for each thing looked at: what was found, or what is wrong with it (in a word) and what to do about it."""
    table = Table(box=box.SIMPLE, show_header=False, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for _ in range(3):
        table.add_column(overflow="fold")
    part = ""
    for each in _shown(found):
        what = Text(each.found)
        if each.wrong:
            what = Text.assemble((f"{wrong}: {each.wrong}", "bold red"), f" ({each.found})")
        table.add_row(Text("" if each.part == part else each.part, style="bold"), Text(each.name), what)
        part = each.part
    return table


def _shown(found: Sequence[Finding]) -> Iterator[Finding]:
    """The findings, with the packages that are as they should be in one."""
    fitting = [each for each in found if each.part == "packages" and not each.wrong]
    for each in found:
        if each not in fitting:
            yield each
        elif each is fitting[0]:
            told = [f"{one.name} {one.found}" for name in _TELLING for one in fitting if one.name == name]
            yield Finding("packages", "", f"{', '.join(told)} and {len(fitting) - len(told)} more")

"""What was asked, in a page: the table of answers of each relation, drawn in the page's own colours."""

import base64
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from PIL import Image

from twofold.analysis import told_classes
from twofold.data import RELATIONS, Relation, find_relation, names_stored, unpacked
from twofold.report.text import pictures
from twofold.report.text.names import statement
from twofold.report.text.numbers import shortened

# More drawings of questions nobody compares.
_MOST_DRAWN = 8

# In pixels of the page: the side of a class's cell, within these ends of the whole table.
_CELL, _LEAST, _MOST = 18, 180, 468

# Up to so many classes each has its name beside its cells, of so many letters of such a width.
_MOST_NAMED, _LETTERS, _LETTER = 30, 18, 6.6

# The fill of a cell where the relation holds; where it does not, the page is seen through.
_FILL = (0, 114, 178)


@dataclass(frozen=True)
class ShownQuestion:
    """A table of answers in pixels of the page, and what it shows for those who cannot see it.

    `cells` is a PNG in base64, a pixel for each two classes. `names` and `between` have places along a side: the
    middle of each class that is named, and where one ends and the next begins.
    """

    title: str
    description: str
    cells: str
    side: float
    room: float
    turned: bool
    names: Sequence[tuple[float, str]]
    between: Sequence[float]
    first: str = pictures.FIRST_CLASS
    second: str = pictures.SECOND_CLASS
    yes: str = pictures.YES
    no: str = pictures.NO

    @property
    def left(self) -> float:
        """Where the cells begin, right of the names of the first image's classes."""
        return 30 + self.room

    @property
    def top(self) -> float:
        """Where they begin, below the names of the second image's classes."""
        return 26 + (self.room if self.turned else 12.0 * bool(self.names))

    @property
    def width(self) -> float:
        """The width of the whole."""
        return self.left + self.side + 4

    @property
    def height(self) -> float:
        """The height of the whole."""
        return self.top + self.side + 4


def asked_in(table: pd.DataFrame, answers: Mapping[tuple[str, str], str]) -> list[Relation]:
    """The relations of a table of trials, as they come; `answers` are those that a store has kept.

    Rows of earlier versions have relations with names, of ten digits.
    """
    found: dict[tuple[str, str], Relation] = {}
    for row in table.drop_duplicates(["relation", "question", "fingerprint"]).to_dict("records"):
        packed = answers.get((row["question"], row["fingerprint"]))
        if packed is not None:
            relation = unpacked(row["relation"], packed, names_stored(row["class_names"]))
        elif row["relation"] in RELATIONS:
            relation = find_relation(row["relation"])
        else:
            continue
        found.setdefault((relation.text, relation.identity), relation)
    return list(found.values())


def shown_questions(relations: Sequence[Relation]) -> list[ShownQuestion]:
    """The first of the relations as a page shows them."""
    uses = Counter(relation.text for relation in relations)
    return [_shown(relation, of_several=uses[relation.text] > 1) for relation in relations[:_MOST_DRAWN]]


def _shown(relation: Relation, *, of_several: bool) -> ShownQuestion:
    """A relation as a page shows it; its classes are told where it is asked `of_several` lists of them."""
    count = len(relation.class_names)
    side = float(min(max(_CELL * count, _LEAST), _MOST))
    cell = side / count
    named = [shortened(name, _LETTERS) for name in relation.class_names] if count <= _MOST_NAMED else []
    longest = max(map(len, named), default=0)
    return ShownQuestion(
        title=statement(relation.text) + (f" of {told_classes(relation.class_names)}" if of_several else ""),
        description=pictures.answers_description(relation),
        cells=_cells(relation.answers),
        side=side,
        room=_LETTER * longest,
        turned=longest > 2,
        names=[(round((place + 0.5) * cell, 1), name) for place, name in enumerate(named)],
        between=[round(place * cell, 1) for place in range(1, count)] if named else [],
    )


def _cells(answers: np.ndarray) -> str:
    image = Image.fromarray(answers.astype(np.uint8)).convert("P")
    image.putpalette((0, 0, 0, *_FILL))
    file = io.BytesIO()
    image.save(file, "PNG", bits=1, transparency=0, optimize=True)
    return base64.b64encode(file.getvalue()).decode()

"""What was asked, in a page: the table of answers of each relation as a drawing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from twofold.data import RELATIONS, Relation, find_relation
from twofold.report.figures.catalogue import question_figures
from twofold.report.page.networks import drawn
from twofold.report.text.pictures import answers_description

# More drawings of questions nobody compares.
_MOST_DRAWN = 8


@dataclass(frozen=True)
class ShownQuestion:
    """The drawing of a table of answers as a PNG in base64, and what it shows for those who cannot see it."""

    drawing: str
    description: str


def asked_in(table: pd.DataFrame, known: Mapping[tuple[str, str], Relation]) -> list[Relation]:
    """The relations of a table of trials, as they come; `known` are those that a store has kept.

    Rows of earlier versions have relations with names, of ten digits.
    """
    found: dict[tuple[str, str], Relation] = {}
    rows = table[["relation", "question", "fingerprint"]].drop_duplicates()
    for text, question, fingerprint in rows.itertuples(index=False, name=None):
        relation = known.get((question, fingerprint))
        if relation is None and text in RELATIONS:
            relation = find_relation(text)
        if relation is not None:
            found.setdefault((relation.text, relation.identity), relation)
    return list(found.values())


def shown_questions(relations: Sequence[Relation]) -> list[ShownQuestion]:
    """The first of the relations as a page shows them."""
    some = relations[:_MOST_DRAWN]
    drawings = question_figures(some).values()
    return [ShownQuestion(drawn(drawing), answers_description(of)) for drawing, of in zip(drawings, some, strict=True)]

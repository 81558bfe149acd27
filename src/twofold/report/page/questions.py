"""What was asked, in a page: the table of answers of each relation as a drawing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from twofold.data import RELATIONS, Relation, find_relation, names_stored, unpacked
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
    some = relations[:_MOST_DRAWN]
    drawings = question_figures(some).values()
    return [ShownQuestion(drawn(drawing), answers_description(of)) for drawing, of in zip(drawings, some, strict=True)]

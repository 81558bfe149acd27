"""What a kept network says of pairs of pictures, in words."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from twofold.report.text.names import statement
from twofold.report.text.numbers import MISSING, counted, listed
from twofold.report.text.tables import Column, TextTable

Row = Mapping[str, Any]

# A relation between two classes that are named.
_OF_CLASSES = {"<=": "{} ≤ {}", "<": "{} < {}", "==": "{} = {}", "same parity": "{} and {}, same parity"}

# Probabilities that would be rounded to 100 %.
_ALMOST_SURE = 0.995


def answer_text(row: Row, relation: str) -> str:
    """The answer, of the classes that were seen where the network names them: 7 ≤ 9: yes."""
    if row["answer"] is None:
        return MISSING
    asked = statement(relation)
    if row["left_class"] is not None:
        template = _OF_CLASSES.get(relation, f"{asked} of {{}} and {{}}")
        asked = template.format(row["left_class"], row["right_class"])
    return f"{asked}: {'yes' if row['answer'] else 'no'}"


def probability_text(probability: float | None) -> str:
    """A probability in whole percent; what is nearly sure is not rounded to 100."""
    if probability is None:
        return MISSING
    return "over 99 %" if probability >= _ALMOST_SURE else f"{100 * probability:.0f} %"


def distance_text(distance: float | None) -> str:
    """A distance to three digits."""
    return MISSING if distance is None else f"{distance:.3g}"


def one_answer(row: Row, relation: str, threshold: float | None) -> Iterator[str]:
    """The lines about a single pair."""
    if threshold is None:
        yield f"{answer_text(row, relation)}, {probability_text(row['probability'])}"
    else:
        distance, least = distance_text(row["distance"]), distance_text(threshold)
        yield f"{answer_text(row, relation)} (distance {distance}, threshold {least})"
    for side in ("left", "right"):
        seen, read = row[f"{side}_class"], row[f"{side}_read_as"]
        told = [] if seen is None else [f"{seen}, {probability_text(row[f'{side}_probability'])}"]
        told += [] if read is None else [f"read as {read}"]
        if told:
            yield f"{row[side]}: {'; '.join(told)}"


def answers_table(rows: Sequence[Row], network: str, relation: str, threshold: float | None) -> TextTable:
    """A row for each pair."""
    columns = [
        Column("left", lambda row: row["left"], words=True),
        Column("right", lambda row: row["right"], words=True),
        Column("answer", lambda row: answer_text(row, relation), words=True),
    ]
    notes = [read] if (read := _read_as(rows)) else []
    if threshold is None:
        columns.append(Column("probability", lambda row: probability_text(row["probability"])))
    else:
        columns.append(Column("distance", lambda row: distance_text(row["distance"])))
        notes.append(f"The threshold of distances is {distance_text(threshold)}.")
    return TextTable(f"What {network} says of {counted(len(rows), 'pair')}", columns, rows, notes)


def inverted_warning(rows: Sequence[Row]) -> str:
    """What is to be known of pictures that look like negatives of the study's images; empty where none does."""
    looks = {row[side]: row[f"{side}_inverted"] for row in rows for side in ("left", "right")}
    inverted = [name for name, so in looks.items() if so]
    if not inverted:
        return ""
    which = (
        inverted[0]
        if len(inverted) == 1
        else f"{len(inverted)} of {counted(len(looks), 'picture')}, such as {inverted[0]},"
    )
    verb = "looks" if len(inverted) == 1 else "look"
    return (
        f"{which} {verb} like the negative of the study's images: light at the edge where they are dark, or the other "
        "way round; if so, the answer means nothing: invert the picture"
    )


def _read_as(rows: Sequence[Row]) -> str:
    """How drawings of digits were read."""
    ways = [row[f"{side}_read_as"] for row in rows for side in ("left", "right") if row[f"{side}_read_as"]]
    counts = [f"{counted(ways.count(way), 'picture')} as {way}" for way in sorted(set(ways))]
    return f"Read: {listed(counts)}." if counts else ""

"""The glossary: in order, each word once, one sentence each, and every word is one that a user meets."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
GLOSSARY = ROOT / "docs" / "glossary.md"
ENTRIES = [
    tuple(cell.strip() for cell in line.strip("|").split("|"))
    for line in GLOSSARY.read_text(encoding="utf-8").splitlines()
    if line.startswith("| ") and not line.startswith("| word")
]

_CODE = [file for ending in ("py", "html") for file in sorted((ROOT / "src").rglob(f"*.{ending}"))]
_DOCS = [file for file in sorted((ROOT / "docs").glob("*.md")) if file != GLOSSARY]
READ = "\n".join(file.read_text(encoding="utf-8") for file in [ROOT / "README.md", *_DOCS, *_CODE])


def test_words_are_in_order_and_each_stands_once():
    words = [word for word, _ in ENTRIES]
    assert words == sorted(set(words))
    assert len(words) > 20


@pytest.mark.parametrize(("word", "meaning"), ENTRIES)
def test_a_meaning_is_one_plain_sentence(word, meaning):
    assert meaning[0].isupper()
    assert meaning.endswith(".")
    assert not re.search(r"[.!?] [A-Z]", meaning)
    assert len(meaning.split()) <= 30


@pytest.mark.parametrize("word", [word for word, _ in ENTRIES])
def test_every_word_is_used(word):
    pattern = rf"\b{word[:-1] if word.endswith('s') else word}(s|es)?\b"
    assert re.search(pattern.replace(" ", r"\s+"), READ, re.IGNORECASE)

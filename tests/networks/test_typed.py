"""Networks of one's own, as they are typed."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.errors import SettingError
from twofold.networks.typed import parse


@pytest.mark.parametrize(
    ("text", "home", "name", "values", "factors"),
    [
        ("file.py:Twin", "file.py", "Twin", {}, ()),
        ("file.py:Twin()", "file.py", "Twin", {}, ()),
        ("nets.models:Twin(depth=2)", "nets.models", "Twin", {"depth": (2,)}, ()),
        ("~/my nets (1)/file.py:Outer.Twin", "~/my nets (1)/file.py", "Outer.Twin", {}, ()),
        ("a:b/file.py:Twin(x='a:b(c)')", "a:b/file.py", "Twin", {"x": ("a:b(c)",)}, ()),
        ("f.py:Twin(share=[False, True])", "f.py", "Twin", {"share": (False, True)}, ("share",)),
        (
            "f.py:Twin(size=(3, 5), way=[(1,), None])",
            "f.py",
            "Twin",
            {"size": ((3, 5),), "way": ((1,), None)},
            ("way",),
        ),
        ("f.py:Twin(a={'x': [1]}, b=-1.5)", "f.py", "Twin", {"a": ({"x": [1]},), "b": (-1.5,)}, ()),
        ("f.py:Twin(share=[True])", "f.py", "Twin", {"share": (True,)}, ("share",)),
        ("dateien/größe.py:Netz(größe=[1, 2])", "dateien/größe.py", "Netz", {"größe": (1, 2)}, ("größe",)),
    ],
)
def test_what_is_typed_is_a_class_and_values(text, home, name, values, factors):
    typed = parse(text)
    assert (typed.home, typed.name, dict(typed.values), typed.factors) == (home, name, values, factors)


def test_every_combination_of_levels_is_a_network():
    typed = parse("f.py:Twin(share=[False, True], width=8, norm=['batch', None])")
    names = [typed.label(arguments) for arguments in typed.combinations()]
    assert names == [
        "Twin(share=False, width=8, norm='batch')",
        "Twin(share=False, width=8, norm=None)",
        "Twin(share=True, width=8, norm='batch')",
        "Twin(share=True, width=8, norm=None)",
    ]
    assert parse("f.py:Twin").label({}) == "Twin"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("f.py:", "must be a name, or a class"),
        (":Twin", "must be a name, or a class"),
        ("f.py:3", "must be a name, or a class"),
        ("f.py:Twin(share=[True, False)", "cannot be read"),
        ("f.py:Twin(share=)", "cannot be read"),
        ("f.py:Twin(a=1, a=2)", "an argument twice"),
        ("f.py:Twin(True)", "every argument by its name"),
        ("f.py:Twin(*[1])", "every argument by its name"),
        ("f.py:Twin(**{'a': 1})", "every argument by its name"),
        ("f.py:Twin()(3)", "must be one class"),
        ("f.py:Twin(a=open('x'))", "a (=open('x')) must be a literal"),
        ("f.py:Twin(a=__import__('os'))", "must be a literal"),
        ("f.py:Twin(a=[x for x in ()])", "must be a literal"),
        ("f.py:Twin(a=nn.ReLU)", "a (=nn.ReLU) must be a literal"),
        ("f.py:Twin(a=[])", "`a` (=[]) has no level"),
        ("f.py:Twin(a=[1, 2, 1])", "`a` has the level 1 twice"),
        ("f.py:Twin(a=" + "(" * 5000 + ")" * 5000 + ")", "cannot be read"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(text, said):
    with pytest.raises(SettingError, match=re.escape(said)) as error:
        parse(text)
    assert "\n" not in str(error.value)


TEXTS = st.sampled_from(["", "relu", "a:b(c)", "it's", 'größe "', "line\nline", "\\"])
LITERALS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.tuples(inner, inner) | st.dictionaries(TEXTS, inner, max_size=2),
    max_leaves=5,
)


@given(st.dictionaries(st.sampled_from(["share", "aux", "x_1"]), LITERALS))
def test_literals_come_back_as_they_were(arguments):
    given = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    typed = parse(f"folder/file.py:Net({given})")
    assert typed.combinations() == [arguments]
    assert parse(f"x:{typed.label(arguments)}").combinations() == [arguments]

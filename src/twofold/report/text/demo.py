"""Why a page has no demo."""

NONE_KEPT = "No networks of these trials were kept; twofold study --keep-models best keeps some."


def no_demo(why: Exception) -> str:
    """The demo cannot be made of the networks kept."""
    return f"There is no demo: {why}."

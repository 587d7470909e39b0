"""How tests of laws show that a wrong part is caught."""

import pytest


def assert_caught(check, right, broken, law, inputs):
    """The right part passes, the broken one is refused by this law, which says what to do."""
    check(right, inputs)
    with pytest.raises(AssertionError, match=f"(?s)broken law: [^.]*{law}.*To do: "):
        check(broken, inputs)

"""``[control.unprotect]`` in a profile: what may stand there, and what is wrong with the rest."""

import pytest

from dockagent.core.camera.profile import Request
from dockagent.errors import UsageError
from tests.core.profiles import SHIPPED, SMALLEST, parse

CONSOLE = SMALLEST + '\n[control]\nkind = "reference-console"\n[control.unprotect]\n'
OPEN = 'answer = { state = "open" }'


def test_the_reference_camera_has_one_and_no_other_does() -> None:
    """No maker of the other families documents such a request."""
    known = {one.name: one.control.unprotect for one in SHIPPED if one.control.unprotect is not None}
    assert known == {"reference-signed": Request("UNPROTECT", {"state": "open"}, ("{path}", "{sha256}"))}


def test_it_names_the_path_where_nothing_else_is_said() -> None:
    assert parse(CONSOLE + f'verb = "FREE"\n{OPEN}').control.unprotect == Request(
        "FREE", {"state": "open"}, ("{path}",)
    )


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ('arguments = ["{path}"]', r"control\.unprotect\.verb: missing"),
        ('verb = "free"', r"control\.unprotect\.verb: "),
        ('verb = "RELEASE"', r"control\.unprotect\.verb: RELEASE means something else"),
        (
            'verb = "FREE"\narguments = ["{name}"]',
            r"control\.unprotect\.arguments\[1\]: '{name}' must be text",
        ),
        ('verb = "FREE"\narguments = ["{path"]', r"control\.unprotect\.arguments\[1\]: '{path' is not a template"),
        ('verb = "FREE"\narguments = [""]', r"control\.unprotect\.arguments\[1\]: "),
        ('verb = "FREE"\nanswer = {}', r"control\.unprotect\.answer: "),
        ('verb = "FREE"', r"control\.unprotect\.answer: missing"),
        ('verb = "FREE"\nwords = "please"', r"control\.unprotect\.words: unknown key"),
    ],
)
def test_each_mistake_is_told_with_its_key(keys: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        parse(CONSOLE + keys + ("" if "answer" in said else f"\n{OPEN}"))


def test_only_a_line_that_knows_such_requests_has_one() -> None:
    with pytest.raises(UsageError, match="kind none knows no such request"):
        parse(SMALLEST + '\n[control.unprotect]\nverb = "FREE"\n' + OPEN)

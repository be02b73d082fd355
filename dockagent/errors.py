"""Errors named by what to do next. Each says in one line what happened, why, and what to do about it.

Whether an error is worth another try is decided where it is born: raise :class:`Retryable` when the same act may
succeed later without anyone's help, and :class:`Permanent` when it will not. The others name who has to act.
"""


class DockError(Exception):
    """Base of every error that dockagent raises on purpose.

    ``what`` is one line for a person: what happened and why. ``hint`` says what to do about it, or is empty.
    ``exit_code`` is what a command ends with when this error reaches its top (see the contract's exit codes).
    """

    exit_code = 1

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}; {self.hint}" if self.hint else self.what


class UsageError(DockError):
    """The person's command, configuration or profile is wrong: they must change it."""

    exit_code = 2


class Refused(DockError):
    """A rule of the house forbids the act (a wrong digest, a truncated ledger, an impossible event)."""


class Retryable(DockError):
    """The same act may succeed later: a network that is away, a busy camera, a full spool."""

    exit_code = 4


class Permanent(DockError):
    """The same act will fail again: a file that cannot be read, a store that rejects this object for good."""


class Gone(Retryable):
    """The camera, file or device went away in the middle. Nothing is wrong with what was already read."""


class Missing(DockError):
    """Something needed for an answer is not there, so the question cannot be answered."""

    exit_code = 4


class Interrupted(DockError):
    """A person ended it. What was done is kept."""

    exit_code = 130

"""Read a TOML table key by key, and gather every mistake in it: a person corrects a file once, not once per mistake."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

Pattern = re.Pattern[str]


class Mistakes(ValueError):
    """Everything that is wrong with a file. ``each``: one line for each mistake, with its key and what is allowed."""

    def __init__(self, file: str, each: Sequence[str]) -> None:
        super().__init__("\n".join(f"{file}: {one}" for one in each))
        self.each = tuple(each)


class Table:
    """One table. Every question takes its key; :meth:`done` tells of the keys that nobody asked for.

    A wrong value is noted in ``mistakes``, and the answer is the default, so that reading goes on.
    """

    def __init__(self, raw: Mapping[str, Any], mistakes: list[str], where: str = "") -> None:
        self._raw, self._mistakes, self.where = raw, mistakes, where
        self._asked: set[str] = set()

    def text(self, key: str, default: str | None = "", *, form: str = "", meaning: str = "a text") -> str:
        """A text, that matches ``form`` wholly if there is one. ``default`` None: the key must be there."""
        value = self._get(key)
        if value is None:
            if default is None:
                self.wrong(key, "is missing", meaning)
            return default or ""
        if not isinstance(value, str) or (form and value != default and not re.fullmatch(form, value)):
            self.wrong(key, f"is {value!r}", meaning)
            return default or ""
        return value

    def choice(self, key: str, allowed: Sequence[str]) -> str:
        """One of these words; the first is the default."""
        value = self._get(key)
        if value is not None and value not in allowed:
            self.wrong(key, f"is {value!r}", " or ".join(f'"{one}"' for one in allowed))
            return allowed[0]
        return allowed[0] if value is None else str(value)

    def seconds(self, key: str, default: float) -> float:
        """A number of seconds, more than none and at most an hour."""
        value = self._get(key)
        if value is None:
            return default
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= 3600:
            self.wrong(key, f"is {value!r}", "seconds, more than 0 and at most 3600")
            return default
        return float(value)

    def number(self, key: str, default: int, allowed: Sequence[int]) -> int:
        """One of these numbers."""
        value = self._get(key)
        if value is None:
            return default
        if isinstance(value, bool) or value not in allowed:
            self.wrong(key, f"is {value!r}", " or ".join(str(one) for one in allowed))
            return default
        return int(value)

    def pattern(self, key: str) -> Pattern | None:
        """A regular expression; None where there is none."""
        value = self.text(key, meaning="a regular expression")
        try:
            return re.compile(value) if value else None
        except re.error as err:
            self.wrong(key, f"is {value!r}, at position {err.pos}: {err.msg}", "a regular expression")
            return None

    def table(self, key: str) -> Table | None:
        """A table inside; None where there is none."""
        value = self._get(key)
        if value is None:
            return None
        if not isinstance(value, dict):
            self.wrong(key, f"is {value!r}", f"a table [{self._name(key)}]")
            return None
        return Table(value, self._mistakes, self._name(key))

    def tables(self) -> dict[str, Table]:
        """Every table in this one, by its key. Whatever else is in it is a mistake."""
        found = {key: self.table(key) for key in self._raw}
        return {key: table for key, table in found.items() if table is not None}

    def rest(self) -> dict[str, Any]:
        """All that nobody has asked for, as it stands: what somebody else reads."""
        left = {key: value for key, value in self._raw.items() if key not in self._asked}
        self._asked |= set(self._raw)
        return left

    def wrong(self, key: str, what: str, allowed: str) -> None:
        """Note a mistake."""
        self._mistakes.append(f"{self._name(key)} {what}; allowed is {allowed}")

    def done(self) -> None:
        """Note every key that nobody has asked for."""
        for key in self._raw:
            if key not in self._asked:
                self.wrong(key, "is not known", ", ".join(sorted(self._asked)))

    def _get(self, key: str) -> Any:
        self._asked.add(key)
        return self._raw.get(key)

    def _name(self, key: str) -> str:
        return f"{self.where}.{key}" if self.where else key

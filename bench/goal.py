"""What a figure should be, and whether it is. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, Self

Verdict = Literal["met", "missed"]

_SIGNS: Final = {">=": "≥", "<=": "≤", ">": ">", "<": "<"}


@dataclass(frozen=True, slots=True)
class Goal:
    """A range that a figure should lie in.

    Attributes:
        text: As people read it, such as `≥ 0.6`.
        least, most: Its ends.
        open: The ends themselves do not count.
    """

    text: str
    least: float
    most: float
    open: bool = False

    @classmethod
    def of(cls, text: str) -> Self:
        """Read a goal: `>= 0.6`, `< 1.5`, `0.9 to 1.1`.

        Raises:
            ValueError: It is none of these.
        """
        if " to " in text:
            least, most = map(float, text.split(" to "))
            return cls(text, least, most)
        sign, _, number = text.partition(" ")
        if sign not in _SIGNS:
            raise ValueError(f"not a goal: {text!r}")
        value = float(number.replace(",", ""))
        ends = (value, float("inf")) if sign.startswith(">") else (float("-inf"), value)
        return cls(f"{_SIGNS[sign]} {number}", *ends, open=sign in "<>")

    def verdict(self, value: float) -> Verdict:
        """Return whether a value meets this goal."""
        if self.open:
            return "met" if self.least < value < self.most else "missed"
        return "met" if self.least <= value <= self.most else "missed"


@dataclass(frozen=True, slots=True)
class Figure:
    """What is measured of one thing.

    Attributes:
        name: Its key in results.
        title: As people read it.
        unit: Of its value; empty for ratios and counts.
        goal: As `Goal.of` reads it; empty if there is none.
        aim: What would be better still, likewise.
    """

    name: str
    title: str
    unit: str = ""
    goal: str = ""
    aim: str = ""

"""What the parts of the main screen have in common: a list with a subject, a filter, a line of detail."""

from __future__ import annotations

from typing import Any, ClassVar, Mapping, Sequence

from textual.app import ComposeResult
from textual.containers import Vertical

from xene.plan.drawing.spans import Line, Span, clean
from xene.tui.acts import Subject
from xene.tui.filters import Filter
from xene.tui.frame import Frame
from xene.tui.sheet import Sheet

Json = Mapping[str, Any]


def plain(words: Any) -> Line:
    """A cell without a style; `-` where there is nothing."""
    return (Span(clean(str(words)) if words not in (None, "") else "-"),)


class Pane(Vertical):
    """One part; the keys go to its `sheet`. The screen gives all parts what the overview found."""

    name_of: ClassVar[str] = ""

    def __init__(self, sheet: Sheet) -> None:
        super().__init__(id=self.name_of.lower())
        self.sheet = sheet
        self.filter = Filter()
        self._labels: Mapping[str, Mapping[str, str]] = {}  # by workflow
        self._nothing = sheet.empty

    def compose(self) -> ComposeResult:
        yield self.sheet

    @property
    def frame(self) -> Frame:
        """The screen that it is a part of."""
        found: Any = self.screen
        return found  # type: ignore[no-any-return]

    def look(self) -> None:
        """Ask for what is shown."""

    def tick(self) -> None:
        """A second went by."""

    def give(self, found: Json) -> None:
        """Take what the overview found: of which labels the workflows are."""
        self._labels = {row["workflow"]: row["labels"] for row in found["pipelines"]}

    def labels_of(self, workflow: str | None) -> Mapping[str, str]:
        """The labels of a workflow; none of one that is gone."""
        return self._labels.get(workflow or "", {})

    def show(self, wanted: Sequence[Json], all_rows: Sequence[Json]) -> None:
        """Show the rows that the filter takes; say so where it takes none."""
        self.sheet.again("nothing matches" if all_rows and not wanted else self._nothing)
        self.sheet.show(wanted)

    def filtered(self, wanted: Filter) -> None:
        """Show what is wanted alone."""
        self.filter = wanted
        if self.sheet.known:
            self.lay_out()

    def lay_out(self) -> None:
        """Lay out what is known."""

    def subject(self) -> Subject | None:
        """What the cursor stands on."""
        return None

    def detail(self) -> Sequence[Line]:
        """The row under the cursor in full: always as many lines, so that nothing jumps."""
        return ((),)

    def opened(self) -> None:
        """The row under the cursor is to be opened."""

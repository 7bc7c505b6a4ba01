"""The conservation account: numbers issued = rows stored + declared lost + evicted (FORMAT.md section 14)."""
from __future__ import annotations

from typing import Any, Dict, Iterable, List, Optional, Set, Tuple

from .meta import UNKNOWN_CPU, Loss
from .rows import META, Row

Lane = Tuple[int, int, int]  # epoch, cpu, source


class LaneAccount:
    """One sequence of numbers."""

    __slots__ = ("evicted", "numbers", "twice", "told", "lost", "issued")

    def __init__(self) -> None:
        self.evicted = 0
        self.numbers: Set[int] = set()
        self.twice = 0  # rows whose number stands in another row
        self.told: Set[Tuple[int, int]] = set()  # losses, by first number and count
        self.lost = 0
        self.issued = 0  # one more than the highest number that is known of

    @property
    def rows(self) -> int:
        """How many numbers are stored."""
        return len(self.numbers)

    def balance(self) -> int:
        """Numbers that nothing accounts for; 0 is as it should be, below 0 more is told than there was."""
        return self.issued - self.evicted - self.rows - self.lost


class Accounts:
    """All lanes of a ring or bundle."""

    def __init__(self) -> None:
        self.lanes: Dict[Lane, LaneAccount] = {}
        self.unattributed: Dict[Tuple[int, int], int] = {}  # losses without a CPU, by epoch and source
        self.unknown_counts: Dict[Tuple[int, int], int] = {}  # LOSS rows with count 0, by epoch and source
        self._begun: Dict[int, bool] = {}
        self.notes: List[str] = []

    def _lane(self, lane: Lane) -> LaneAccount:
        """The account of a lane, made if it is new."""
        return self.lanes.setdefault(lane, LaneAccount())

    def begin_segment(self, epoch: int, seq: int, state: Optional[Dict[str, Any]], whole: bool) -> None:
        """A segment's State: in the oldest of an epoch what was evicted, in later ones a check of the sums.

        `whole` says that nothing of this epoch's earlier segments is missing, so that the sums must agree.
        """
        first = epoch not in self._begun
        self._begun.setdefault(epoch, True)
        if state is None:
            if first:
                self.notes.append("epoch %d: what was evicted is not known" % epoch)
            return
        if first:
            for item in state["accounts"]:
                account = self._lane((epoch, item["cpu"], item["source"]))
                account.evicted = item["stored"] + item["lost"]
                account.issued = max(account.issued, account.evicted)
        elif whole:
            self._compare(epoch, seq, state["accounts"])

    def _compare(self, epoch: int, seq: int, accounts: List[Dict[str, int]]) -> None:
        """A later State must say what was counted up to here."""
        said = {(epoch, item["cpu"], item["source"]): item["stored"] + item["lost"] for item in accounts}
        lanes = set(said) | {lane for lane in self.lanes if lane[0] == epoch and lane[2] != META}
        for lane in sorted(lanes):
            account = self.lanes.get(lane, LaneAccount())
            here = account.evicted + account.rows + account.lost
            if said.get(lane, 0) != here:
                self.notes.append("segment %d: account of cpu %d source %d says %d, counted %d" % (
                    seq, lane[1], lane[2], said.get(lane, 0), here))

    def add_rows(self, epoch: int, source: int, rows: Iterable[Row]) -> None:
        """Rows that are stored."""
        if source == META:
            return
        for row in rows:
            account = self._lane((epoch, row.cpu, source))
            account.twice += row.number in account.numbers
            account.numbers.add(row.number)
            account.issued = max(account.issued, row.number + 1)

    def add_losses(self, epoch: int, losses: Iterable[Loss]) -> None:
        """Numbers declared lost."""
        for loss in losses:
            key = (epoch, loss.source)
            if loss.missing == 0:
                self.unknown_counts[key] = self.unknown_counts.get(key, 0) + 1
            elif loss.cpu == UNKNOWN_CPU:
                self.unattributed[key] = self.unattributed.get(key, 0) + loss.missing
            else:
                account = self._lane((epoch, loss.cpu, loss.source))
                if (loss.first, loss.missing) in account.told:
                    continue
                account.told.add((loss.first, loss.missing))
                account.lost += loss.missing
                account.issued = max(account.issued, loss.first + loss.missing)

"""Counts that all workers share, in memory that they inherit from the master.

Each worker writes its own column and reads the sum of all, so there is no lock, and the counts of a killed worker are
gone when the master clears its column. Each name is hashed with a secret into two cells, and the smaller sum counts:
the table never counts too little, and no client can choose a name to hit the cells of another.
"""

from __future__ import annotations

import mmap
import os
from hashlib import blake2b

#: Cells of one hash. All workers together hold far fewer connections than would fill them.
_CELLS = 4096
_HASHES = 2


class CountTable:
    """Holds the cells of all workers.

    gunicorn's master owns it in its main thread, and gives each worker a column before the fork. A cell counts up to
    65535.
    """

    def __init__(self, columns: int) -> None:
        self.columns = columns
        self._memory = memoryview(mmap.mmap(-1, 2 * columns * _CELLS * _HASHES)).cast("H")  # anonymous and shared
        self._secret = os.urandom(16)
        self._free = set(range(columns))

    def assign(self) -> Counts:
        """Give a worker a free column, or counts of a separate table."""
        if not self._free:
            return CountTable(1).assign()
        column = min(self._free)
        self._free.remove(column)
        return Counts(self, column)

    def release(self, column: int) -> None:
        """Clear `column`, because its worker has ended."""
        for at in range(column, len(self._memory), self.columns):
            self._memory[at] = 0
        self._free.add(column)

    def change(self, name: str, column: int, by: int) -> None:
        """Add `by` to the count of `name` in one worker's column."""
        for cell in self._cells(name):
            self._memory[cell + column] += by

    def total(self, name: str) -> int:
        """Return the count of `name` over all workers, never too little."""
        return min(sum(self._memory[cell : cell + self.columns]) for cell in self._cells(name))

    def _cells(self, name: str) -> list[int]:
        """Return the indices of the cells of `name`; the columns of one cell are adjacent."""
        digest = blake2b(name.encode("utf-8", "surrogatepass"), key=self._secret, digest_size=4 * _HASHES).digest()
        numbers = memoryview(digest).cast("I")
        return [(number * _CELLS + numbers[number] % _CELLS) * self.columns for number in range(_HASHES)]


class Counts:
    """One worker's column.

    `add` and `remove` are called in the worker's greenlets, `close` in the main thread of the master when the worker
    has ended.
    """

    def __init__(self, table: CountTable, column: int) -> None:
        self._table, self._column = table, column

    def add(self, name: str, limit: int) -> bool:
        """Count one more of `name`, unless all workers together have `limit` of it.

        Returns whether it was counted. It is counted before it is compared, so that two workers that count at once may
        both refuse the last one, but never both take it.
        """
        self._table.change(name, self._column, 1)
        if self._table.total(name) <= limit:
            return True
        self.remove(name)
        return False

    def remove(self, name: str) -> None:
        """Take one from the count of `name`, after an `add`."""
        self._table.change(name, self._column, -1)

    def close(self) -> None:
        """Clear the column and free it for the next worker."""
        self._table.release(self._column)

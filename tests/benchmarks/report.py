"""A section of the report: rows with the same keys, shown as a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rich.table import Table


@dataclass(frozen=True)
class Section:
    """Rows, and what they mean."""

    title: str
    rows: list[dict[str, Any]]

    def table(self) -> Table:
        table = Table(title=self.title, title_justify="left")
        for name in self.rows[0]:
            numbers = all(isinstance(row[name], int | float) for row in self.rows)
            table.add_column(name, justify="right" if numbers else "left")
        for row in self.rows:
            table.add_row(*(f"{value:.2f}" if isinstance(value, float) else str(value) for value in row.values()))
        return table

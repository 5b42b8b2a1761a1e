"""Rows that are chosen by many values at once."""

import json
from collections.abc import Sequence

from sqlalchemy import Column, ColumnElement, func, literal_column, select


def is_one_of(column: "Column[str]", values: Sequence[str]) -> ColumnElement[bool]:
    """Whether a text is one of these, be they ten thousand; for rows that are few already.

    They go as one JSON text, which the database takes apart by itself: ten thousand variables would be put into the
    statement one by one, while all other threads stand still. The plus keeps its planner from looking up each of them.
    """
    return literal_column(f"+{column}").in_(select(func.json_each(json.dumps(values)).table_valued("value").c.value))

"""Takes the documents out of a text column of Arrow tables, be they from a Parquet file or from the hub.

It serves the readers of the corpus stage, `files` and `hub`, which differ only in where their tables come from.
"""

from collections.abc import Iterable, Iterator

import pyarrow as pa

from toktrial.errors import TrialError, nearest_name

ROWS_PER_BATCH = 1_000  # few enough that a batch of long documents still fits any memory


def check_text_column(schema: pa.Schema, field: str, where: str) -> None:
    """Raises TrialError, naming `where`, unless a column named `field` holds text."""
    if field not in schema.names:
        hint = nearest_name(field, schema.names)
        raise TrialError(f"{where} has no column '{field}' (set by --corpus.text-field): {hint}")
    kind = schema.field(schema.names.index(field)).type
    if not _is_text(kind):
        raise TrialError(f"{where}: the column '{field}' holds {kind}, no text: set another with --corpus.text-field")


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def column_texts(tables: Iterable[pa.RecordBatch | pa.Table], field: str, where: str) -> Iterator[str]:
    """Yields the texts of one column, row by row. Raises TrialError, naming `where` and the row, where one is none."""
    rows_before = 0
    for table in tables:
        column = table.column(table.schema.names.index(field))
        if column.null_count:
            row = rows_before + column.is_null().index(True).as_py()
            raise TrialError(f"{where}: row {row} (from 0) has no text: the column '{field}' is null there")
        try:
            texts = column.to_pylist()
        except UnicodeDecodeError:
            row = rows_before + _first_undecodable(column)
            raise TrialError(f"{where}: row {row} (from 0) of the column '{field}' is no UTF-8") from None
        yield from texts
        rows_before += len(texts)


def _first_undecodable(column: Iterable[pa.Scalar]) -> int:
    for row, scalar in enumerate(column):
        try:
            scalar.as_py()
        except UnicodeDecodeError:
            return row
    raise AssertionError("every row could be decoded")

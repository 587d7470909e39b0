"""Reports from stored tables: the table of verdicts, a Markdown page and one self-contained HTML page."""

from moetheory.report.verdicts import format_table, verdict_table
from moetheory.report.write import write_report

__all__ = ["format_table", "verdict_table", "write_report"]

"""Reports from stored tables: the table of verdicts, a Markdown page, one self-contained HTML page, a page of all claims."""

from moetheory.report.claims_page import write_claims_page
from moetheory.report.verdicts import format_table, verdict_table
from moetheory.report.write import write_report

__all__ = ["format_table", "verdict_table", "write_claims_page", "write_report"]

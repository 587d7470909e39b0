"""Figures of claims from stored tables: `draw` makes one, `save` writes it with its table and provenance."""

from moetheory.plotting.draw import draw
from moetheory.plotting.levels import distribution_figure, fibre_figure, level_figure, levels_figure
from moetheory.plotting.rates import rate_figure
from moetheory.plotting.save import save, save_all
from moetheory.plotting.summary import size_table

__all__ = [
    "distribution_figure",
    "draw",
    "fibre_figure",
    "level_figure",
    "levels_figure",
    "rate_figure",
    "save",
    "save_all",
    "size_table",
]

"""Graphs of a run that can go into a paper as they are: PNG, SVG and PDF. matplotlib is loaded only to draw."""

from panther_report_plots.stage import create_graphs_stage

__all__ = ["create_graphs_stage"]

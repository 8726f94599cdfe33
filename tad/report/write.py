"""``tad report``: from run folders to a page, figures and tables."""

import time

import tad
from tad.report.compare import compare
from tad.report.html import write_page
from tad.report.inputs import read_runs
from tad.report.page_data import page_data
from tad.report.paper_tables import write_tables


def write_report(paths, asked, output, figures=None, tables=None):
    """Write the page of some runs, and where asked their figures and tables.

    :param paths: run folders or detections files.
    :param asked: :class:`tad.report.inputs.Asked`
    :param output: the HTML file.
    :param figures, tables: folders, or None.
    :returns: list of pairs: what was written, and where.
    :raises UserError: something cannot be read, understood or written.
    """
    comparison = compare(read_runs(paths, asked))
    write_page(output, page_data(comparison, time.strftime("%Y-%m-%d %H:%M"), tad.__version__))
    written = [("page", output)]
    if figures is not None:
        # Here, because matplotlib takes longer to load than a page to make
        from tad.report.figures import draw_figures
        written += [("figure", path) for path in draw_figures(figures, comparison)]
    if tables is not None:
        written += [("table", path) for path in write_tables(tables, comparison)]
    return written

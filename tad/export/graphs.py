"""The graph of each detector, or the reason why it has none.

A detector ``mine`` is exported by a module ``tad/export/mine.py``, a :class:`tad.export.base.Graph`, and a line here.
Where it cannot be, the line holds the reason instead: what follows "the detector 'mine' cannot be exported:".
"""

from tad.errors import UserError
from tad.export.atss import ATSSGraph
from tad.export.bmn import BMNGraph
from tad.export.bsn import BSNGraph
from tad.export.deeplab import DeepLabGraph

GRAPHS = {
    "deeplab": DeepLabGraph,
    "bmn": BMNGraph,
    "bsn": BSNGraph,
    "atss": ATSSGraph,
    "ssn": "TAG makes as many proposals as its curves have runs of snippets, which no fixed graph of tensors does",
}


def build_graph(trained):
    """The graph of a :class:`tad.pipeline.Trained`, in evaluation mode.

    :raises UserError: its detector cannot be exported.
    """
    settings = trained.settings
    graph = GRAPHS[settings.detector]
    if isinstance(graph, str):
        able = sorted(name for name, other in GRAPHS.items() if not isinstance(other, str))
        raise UserError("the detector '%s' cannot be exported: %s; these can: %s"
                        % (settings.detector, graph, ", ".join(able)))
    return graph(trained.detector, settings.dataset.length).eval()

"""The graph of each detector that can be exported.

A graph is a module with ``forward(features, valid)`` for float32 ``(B, C, T)`` and int64 ``(B,)`` (the snippets of each
clip that are not padding), made of tensor operations that the exporter knows. It returns the fields of
:class:`tad.postprocess.fusion.ScoredProposals` with a batch in front, float64 ``(B, N, 2)``, ``(B, N, K)`` and three
times ``(B, N)``, and as last ``count`` int64 ``(B,)``, how many of each clip's rows are proposals. ``shortest`` is the
length of the shortest clip that it takes where it takes several lengths.
"""

from tad.errors import UserError
from tad.export.deeplab import DeepLabGraph

GRAPHS = {"deeplab": DeepLabGraph}


def build_graph(trained):
    """The graph of a :class:`tad.pipeline.Trained`, in evaluation mode.

    :raises UserError: its detector cannot be exported.
    """
    settings = trained.settings
    if settings.detector not in GRAPHS:
        raise UserError("the detector '%s' cannot be exported; these can: %s"
                        % (settings.detector, ", ".join(sorted(GRAPHS))))
    return GRAPHS[settings.detector](trained.detector, settings.dataset.length).eval()

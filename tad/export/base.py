"""What the rest of ``tad.export`` asks of a detector's graph."""

from torch import nn

SHORTEST = 8  # snippets: no clip of a training is shorter (dataset.length)


class Graph(nn.Module):
    """What a detector's ``propose`` computes, as tensor operations that PyTorch's exporter knows.

    Subclasses take ``(detector, length)``: the trained detector in evaluation mode on the CPU, which must stay as it
    is, and the snippets of its clips, for which memory is planned. Nothing in ``forward`` may depend on the values of
    tensors in another way than through tensors: no ``if``, no ``int()`` or ``.item()``, no NumPy, no selection by a
    mask. Operators are those of ONNX's default domain: an Align1D is a matrix product, :mod:`tad.export.align1d`.
    A Python number beside a float64 tensor is rounded to float32 by the exporter: where that matters, as in what
    decides on which side of a border a sample lies, make it a float64 buffer.

    Batch and length of the features are free: ``features.shape[2]`` may be another one than ``length``.
    ``shortest`` is the shortest length that the graph takes; a detector that takes its own length only sets it to
    ``length + 1``.
    """

    shortest = SHORTEST

    def forward(self, features, valid):
        """Features float32 ``(B, C, T)``, zero from snippet ``valid`` int64 ``(B,)`` on, to scored proposals.

        :returns: the fields of :class:`tad.postprocess.fusion.ScoredProposals` but the curves, with a batch in front:
            float64 ``(B, N, 2)``, ``(B, N, K)`` and three times ``(B, N)``; and int64 ``(B,)``, how many of each clip's
            rows, counted from the first, are proposals. N is the same for all clips; the other rows hold anything.
        """
        raise NotImplementedError

    def rank(self, proposals):
        """The score ``(N,)`` by which ``propose`` takes the best candidates and leaves the rest.

        Where two candidates are equal but for rounding, either may be left; the check allows that for the last ones.

        :param proposals: :class:`tad.postprocess.fusion.ScoredProposals`
        """
        return proposals.boundaries

"""Settings of the detector ``deeplab``."""

from dataclasses import dataclass
from typing import Optional, Tuple

from tad.config.fields import setting


@dataclass(frozen=True)
class DeepLabSettings:
    """The detector ``deeplab``: DeepLabv3+ over time, and a proposal head on Align1D features."""

    width: int = setting(128, "channels of the encoder and decoder", minimum=8)
    strides: Tuple[int, ...] = setting((1, 2, 2), "stride of each encoder stage; their product is the output stride",
                                       minimum=1, maximum=4)
    blocks: int = setting(2, "residual blocks in each encoder stage", minimum=1)
    kernel: int = setting(3, "kernel size of the encoder's convolutions", minimum=1, odd=True)
    atrous_rates: Tuple[int, ...] = setting((2, 4, 8), "rates of the parallel atrous convolutions, in encoder steps",
                                            minimum=1)
    atrous_graph: bool = setting(False, "beside the atrous convolutions, join each encoder step with the steps whose "
                                        "features are nearest (GCNeXt of G-TAD)")
    dropout: float = setting(0.2, "dropout before the classifiers and inside the proposal head",
                             minimum=0.0, maximum=0.95)
    input_dropout: float = setting(0.0, "dropout of whole input channels", minimum=0.0, maximum=0.95)
    boundary_radius: float = setting(1.5, "snippets beside a start or end that learn it and their distance to it",
                                     minimum=0.5)
    boundary_convs: int = setting(1, "convolutions of the branch for starts, ends and offsets; 0: straight from the "
                                     "decoder", minimum=0, maximum=8)
    max_duration: Optional[int] = setting(None, "longest proposal in snippets", minimum=1)
    proposal_features: str = setting("align", "how a proposal's features are sampled: align, the means of bins by "
                                              "Align1D (G-TAD, section 3.4); mask, the mask of BMN's layer",
                                     choices=("align", "mask"))
    mask_samples: int = setting(3, "points of a bin with proposal_features mask (3 in BMN's code)",
                                minimum=1, maximum=64, needs="proposal_features=mask")
    proposal_width: int = setting(32, "channels that are sampled of a proposal", minimum=4)
    proposal_bins: int = setting(24, "bins over a proposal with its context", minimum=4)
    context: float = setting(0.5, "a proposal is widened at each end by this part of its duration", minimum=0.0)
    second_stage: str = setting("fc", "what judges a proposal's bins: fc, a perceptron; cnn, convolutions over them; "
                                      "graph, graph convolutions over the proposals of a clip (P-GCN)",
                                choices=("fc", "cnn", "graph"))
    neighbours_by: str = setting("tiou", "second_stage graph: neighbours of a proposal are those that overlap it most "
                                         "(tiou), the nearest that do not overlap it (distance), or those whose "
                                         "features are most similar (features)",
                                 choices=("tiou", "distance", "features"), needs="second_stage=graph")
    neighbours: int = setting(8, "second_stage graph: neighbours of a proposal", minimum=1, needs="second_stage=graph")
    sampled_neighbours: int = setting(4, "second_stage graph: of them so many are drawn in each training step "
                                         "(GraphSAGE, section 3.1)", minimum=1, needs="second_stage=graph")
    generator: str = setting("all", "candidates, in training and inference: all cells of duration and start, fewer of "
                                    "them, random segments, or what the curves say (docs/detectors.md)",
                             choices=("all", "alter_window", "sliding_window", "start_end", "thr_action", "unif_rand"))
    window_step: int = setting(2, "generator alter_window: every so many durations and starts", minimum=1,
                               needs="generator=alter_window")
    window_ratio: float = setting(2.0, "generator sliding_window: each duration to the next smaller one (Shou et al., "
                                       "2016, section 3.1)", minimum=1.05, needs="generator=sliding_window")
    window_overlap: float = setting(0.75, "generator sliding_window: part of a window that the next one covers again "
                                          "(Shou et al.)", minimum=0.0, maximum=0.99, needs="generator=sliding_window")
    peak_fraction: float = setting(0.5, "generator start_end: boundaries above this part of the highest count beside "
                                        "the peaks (the authors' code of BSN)", minimum=0.0, maximum=1.0,
                                   needs="generator=start_end")
    threshold_step: float = setting(0.05, "generator thr_action: step of TAG's levels and tolerances (SSN, section 5)",
                                    minimum=0.01, maximum=0.5, needs="generator=thr_action")
    random_candidates: int = setting(1000, "generator unif_rand: random segments of a window", minimum=1,
                                     maximum=100000, needs="generator=unif_rand")
    sampling: str = setting("three_way", "proposals that a training window learns from: a third each of high, middle "
                                         "and low tIoU (BMN, section 3.4); two_way, half of them complete; none, any",
                            choices=("none", "two_way", "three_way"))
    samples: int = setting(96, "proposals sampled from each training window", minimum=3)
    positive: str = setting("fixed", "from which tIoU a proposal is complete: fixed, linear in the action's duration, "
                                     "or adaptive, by the proposals around the action (ATSS)",
                            choices=("fixed", "linear", "adaptive"))
    positive_tiou: float = setting(0.7, "positive fixed: the tIoU (BMN, section 3.4)", minimum=0.05, maximum=1.0,
                                   needs="positive=fixed")
    positive_short: float = setting(4.0, "positive linear: duration in snippets up to which positive_short_tiou holds",
                                    minimum=0.0, needs="positive=linear")
    positive_long: float = setting(16.0, "and that from which positive_long_tiou holds", minimum=0.0,
                                   needs="positive=linear")
    positive_short_tiou: float = setting(0.5, "positive linear: tIoU for short actions", minimum=0.05, maximum=1.0,
                                         needs="positive=linear")
    positive_long_tiou: float = setting(0.7, "positive linear: tIoU for long actions", minimum=0.05, maximum=1.0,
                                        needs="positive=linear")
    positive_nearest: int = setting(9, "positive adaptive: proposals around an action, of each octave of durations "
                                       "(ATSS: 9 of each level)", minimum=1, maximum=1000, needs="positive=adaptive")
    candidates: int = setting(800, "proposals of a window that reach the proposal head at inference", minimum=1)
    actionness: str = setting("classes", "what any action means: the highest of the classes' curves, or binary, a "
                                         "curve of its own", choices=("classes", "binary"))
    score: str = setting("both", "what a detection's score takes of the proposal head: the tIoU (regression), the "
                                 "completeness (classification), or both", choices=("both", "regression",
                                                                                    "classification"))
    end_shift: float = setting(0.0, "snippets added to the end of each detection, once it is scored", minimum=-1000.0,
                               maximum=1000.0)
    classes_weight: float = setting(1.0, "loss: multi-label class scores of the snippets", minimum=0.0)
    boundaries_weight: float = setting(1.0, "loss: start and end probabilities", minimum=0.0)
    offsets_weight: float = setting(1.0, "loss: distance from a snippet to the boundary beside it", minimum=0.0)
    tiou_weight: float = setting(5.0, "loss: regression of a proposal's tIoU", minimum=0.0)
    completeness_weight: float = setting(1.0, "loss: whether a proposal covers a whole action", minimum=0.0)

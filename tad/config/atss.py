"""Settings of the detector ``atss``."""

from dataclasses import dataclass
from typing import Optional

from tad.config.fields import setting


@dataclass(frozen=True)
class ATSSSettings:
    """The detector ``atss``: a feature pyramid over time, one anchor a location, adaptive training sample selection.

    Sources: ATSS (Zhang et al., CVPR 2020), RetinaNet (Lin et al., ICCV 2017), FPN (Lin et al., CVPR 2017).
    """

    width: int = setting(128, "channels of the backbone, the pyramid and the heads", minimum=8)
    blocks: int = setting(2, "residual blocks of the backbone before the first level", minimum=1)
    kernel: int = setting(3, "kernel size of the backbone's convolutions", minimum=1, odd=True)
    levels: Optional[int] = setting(None, "levels of the pyramid, with strides 1, 2, 4, ... snippets; null takes as "
                                          "many as bring the widest anchor to the longest training action",
                                    minimum=1, maximum=12)
    head_convs: int = setting(2, "convolutions in each branch of the head (4 in the authors' code)", minimum=1)
    dropout: float = setting(0.2, "dropout before the outputs of the head", minimum=0.0, maximum=0.95)
    input_dropout: float = setting(0.0, "dropout of whole input channels", minimum=0.0, maximum=0.95)
    anchor_scale: float = setting(8.0, "width of an anchor in strides of its level (8 in the authors' code)",
                                  minimum=1.0)
    nearest: int = setting(9, "anchors of each level nearest to an action that are its candidates (ATSS, algorithm 1: "
                              "k = 9)", minimum=1)
    quality: str = setting("centerness", "what the third branch learns of an anchor's segment: centerness (ATSS), or "
                                         "its tIoU with the action", choices=("centerness", "tiou"))
    focal_alpha: float = setting(0.25, "focal loss: weight of positives (RetinaNet, section 4.1)",
                                 minimum=0.0, maximum=1.0)
    focal_gamma: float = setting(2.0, "focal loss: how much less easy anchors count (RetinaNet, section 4.1)",
                                 minimum=0.0)
    candidates: int = setting(1000, "anchors of a window, by class score, that become proposals (RetinaNet, section "
                                    "4.1: 1000 a level)", minimum=1)
    classes_weight: float = setting(1.0, "loss: classes of the anchors", minimum=0.0)
    segments_weight: float = setting(2.0, "loss: generalized IoU of the positive anchors' segments (2 in the authors' "
                                          "code)", minimum=0.0)
    quality_weight: float = setting(1.0, "loss: centerness or tIoU of the positive anchors", minimum=0.0)
    refine: bool = setting(False, "a second stage judges and refines segments again, on Align1D features of them; the "
                                  "settings below count with it alone")
    refine_width: int = setting(32, "channels that Align1D samples", minimum=4, needs="refine")
    refine_bins: int = setting(16, "Align1D bins over a segment with its context", minimum=4, maximum=256,
                               needs="refine")
    refine_context: float = setting(0.5, "a segment is widened at each end by this part of its duration", minimum=0.0,
                                    needs="refine")
    refine_samples: int = setting(48, "segments sampled from each training window, a third from each tIoU range",
                                  minimum=3, needs="refine")
    refine_tiou: float = setting(0.6, "tIoU with an action from which a segment learns its classes and boundaries "
                                      "(Cascade R-CNN, section 4: 0.5, 0.6, 0.7 in three stages)",
                                 minimum=0.05, maximum=1.0, needs="refine")
    refine_classes_weight: float = setting(1.0, "loss: classes of the segments", minimum=0.0, needs="refine")
    refine_segments_weight: float = setting(2.0, "loss: generalized IoU of the refined segments", minimum=0.0,
                                             needs="refine")

"""All settings and all defaults, in one place. ``tad/settings.py`` reads them from YAML and ``--set``.

A setting whose default is ``None`` is derived from the training data (or from the features) when a run starts; the
values that were used are in the run folder's ``config.yaml``. "Snippets" are steps of the feature sequence.
"""

from dataclasses import dataclass, field
from typing import Optional

from tad.config.atss import ATSSSettings
from tad.config.bmn import BMNSettings
from tad.config.bsn import BSNSettings
from tad.config.deeplab import DeepLabSettings
from tad.config.fields import setting
from tad.config.ssn import SSNSettings


@dataclass(frozen=True)
class DatasetSettings:
    """Where recordings and annotations are, and what one snippet of the features covers."""

    annotations: str = setting("", "ActivityNet-style JSON file (docs/data.md); relative to the configuration file")
    features: str = setting("", "folder of ID.npy/.npz/.csv, one .npz, one HDF5 file, each (T, C); or a .json "
                                  "that joins several (docs/data.md)")
    external_scores: Optional[str] = setting(None, "JSON file with scores of a classifier of whole recordings for "
                                                   "infer and traininfer (docs/own-data.md), or null")
    train_subset: str = setting("training", "subset that is learned from")
    test_subset: str = setting("validation", "subset that is detected in and scored")
    fps: Optional[float] = setting(None, "frames per second; null takes the features' recipe; a recording's own 'fps' "
                                         "in the annotations comes first; with neither, the features span the "
                                         "recording evenly", minimum=1e-6)
    stride: Optional[float] = setting(None, "frames from one snippet to the next; null takes the features' recipe, "
                                            "else 1", minimum=1e-6)
    window: Optional[float] = setting(None, "frames that one snippet covers; null takes the features' recipe, else 1",
                                      minimum=0.0)
    timing: str = setting("auto", "auto: as at fps; fps: dataset.fps for every recording, whatever its own; even: the "
                                  "features span each recording evenly, whatever its fps",
                          choices=("auto", "fps", "even"))
    mode: str = setting("windows", "cut recordings into overlapping windows (THUMOS14's way), or rescale each to "
                                   "one fixed length (ActivityNet's way)", choices=("windows", "rescale"))
    length: Optional[int] = setting(None, "snippets in one window, or the fixed length", minimum=8, maximum=65536)
    overlap: float = setting(0.5, "part of a window that the next one covers again", minimum=0.0, maximum=0.9)
    normalize: bool = setting(True, "z-normalize each channel with the training subset's mean and deviation")
    strict: bool = setting(False, "stop at the first problem in the data instead of warning and leaving it out")
    max_missing: float = setting(0.1, "part of a subset's recordings that may be unusable", minimum=0.0, maximum=1.0)
    allow_missing: bool = setting(False, "go on whatever part of the recordings is unusable; it is told by name")
    cache_mib: int = setting(2048, "features kept in memory", minimum=0)


@dataclass(frozen=True)
class AugmentSettings:
    """Random changes of training windows."""

    stretch: float = setting(0.1, "speed changes by up to this part, up or down", minimum=0.0, maximum=0.9)
    noise: float = setting(0.1, "deviation of the noise added to normalized features", minimum=0.0)
    scale: float = setting(0.1, "deviation of the random gain of each channel", minimum=0.0)
    splice: float = setting(0.0, "probability of joining a window from pieces of several recordings",
                            minimum=0.0, maximum=1.0)


@dataclass(frozen=True)
class TrainSettings:
    """The optimizer and its schedule; one step is one batch of windows."""

    steps: int = setting(1500, "training steps", minimum=1)
    batch: int = setting(8, "windows in a step", minimum=1)
    learning_rate: float = setting(1e-3, "Adam's learning rate after the warm-up", minimum=0.0)
    warmup: int = setting(50, "steps of linear warm-up", minimum=0)
    schedule: str = setting("cosine", "learning rate after the warm-up: half a cosine down to 0, or constant",
                            choices=("cosine", "constant"))
    weight_decay: float = setting(1e-4, "L2 regularization", minimum=0.0)
    clip_norm: float = setting(1.0, "gradients are scaled down to this norm", minimum=1e-6)
    average: float = setting(0.99, "decay of the moving average of the weights that inference uses",
                             minimum=0.0, maximum=0.9999)
    checkpoint_every: int = setting(100, "steps between checkpoints", minimum=1)
    log_every: int = setting(10, "steps between TensorBoard entries", minimum=1)
    workers: int = setting(0, "processes that prepare windows beside the training", minimum=0)


@dataclass(frozen=True)
class PostprocessSettings:
    """From scored proposals to detections."""

    class_power: float = setting(1.0, "exponent of the class score in the fused score", minimum=0.0)
    external_power: float = setting(1.0, "exponent of a recording's external score of the class, where such are given",
                                    minimum=0.0)
    boundary_power: float = setting(0.5, "exponent of startness x endness", minimum=0.0)
    tiou_power: float = setting(0.5, "exponent of the predicted tIoU", minimum=0.0)
    completeness_power: float = setting(0.5, "exponent of the predicted completeness", minimum=0.0)
    classes_per_recording: Optional[int] = setting(None, "where a recording has external scores, detect only so many "
                                                         "classes in it, the best by them; null: all", minimum=1)
    classes_per_proposal: int = setting(3, "labels that one proposal may give", minimum=1)
    method: str = setting("soft_nms", "how overlapping detections are thinned", choices=("soft_nms", "nms", "none"))
    per_class: bool = setting(True, "thin within each class; else across all of them")
    sigma: float = setting(0.4, "soft-NMS: width of the Gaussian penalty", minimum=1e-3)
    soft_threshold: float = setting(0.0, "soft-NMS: tIoU up to which a detection keeps its score (BSN: "
                                         "0.8 on ActivityNet, 0.65 on THUMOS14)", minimum=0.0, maximum=1.0)
    tiou_threshold: float = setting(0.5, "NMS: overlap above which the lower score goes", minimum=0.0, maximum=1.0)
    min_score: float = setting(0.001, "detections below are dropped", minimum=0.0)
    top_k: int = setting(200, "detections kept for a recording, or for each 128 windows of a longer one", minimum=1)


@dataclass(frozen=True)
class EvaluationSettings:
    """How detections are scored."""

    tiou: str = setting("0.3:0.1:0.7", "tIoU thresholds, first:step:last (both ends included) or a list 0.5,0.75")
    blocked: Optional[str] = setting(None, "file of recordings that traininfer does not score (docs/evaluation.md), "
                                           "or null")


@dataclass(frozen=True)
class ReportSettings:
    """What a run keeps for people to look at."""

    curves: bool = setting(True, "keep each snippet's actionness, startness and endness in scores/, where the detector "
                                 "has them, for the timelines of tad report")
    pictures: int = setting(50, "timelines that traininfer draws, of the first recordings; tad report shows all",
                            minimum=0)


DETECTORS = (
    "deeplab",
    "bmn",
    "atss",
    "ssn",
    "bsn",
)  # each the name of a section below; only the chosen one's settings hold


@dataclass(frozen=True)
class Settings:
    """One run."""

    seed: int = setting(0, "every random number of a run follows from it", minimum=0, maximum=2 ** 32 - 1)
    device: str = setting("auto", "auto, cpu or cuda:N")
    threads: Optional[int] = setting(None, "CPU threads of PyTorch; null leaves PyTorch's own choice", minimum=1)
    detector: str = setting("deeplab", "which detector; its own settings stand in the section of its name",
                            choices=DETECTORS)
    dataset: DatasetSettings = field(default_factory=DatasetSettings)
    augment: AugmentSettings = field(default_factory=AugmentSettings)
    deeplab: DeepLabSettings = field(default_factory=DeepLabSettings)
    bmn: BMNSettings = field(default_factory=BMNSettings)
    atss: ATSSSettings = field(default_factory=ATSSSettings)
    ssn: SSNSettings = field(default_factory=SSNSettings)
    bsn: BSNSettings = field(default_factory=BSNSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    postprocess: PostprocessSettings = field(default_factory=PostprocessSettings)
    evaluation: EvaluationSettings = field(default_factory=EvaluationSettings)
    report: ReportSettings = field(default_factory=ReportSettings)

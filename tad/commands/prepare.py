"""``tad data prepare``: public data sets into the package's formats."""

from tad.commands.common import say

# The names of the data sets, written out so that --help needs not load their modules
NEEDED = (
    ("thumos14", "test_info.mat, val_info.mat, test_Annotation.csv, val_Annotation.csv; thumos_gt.json, "
                 "thumos14_test_groundtruth.csv, thumos_classes_idx.json, uNet_test.npy and "
                 "thumos14_test_extra_characteristics.json are compared and used where they are there"),
    ("activitynet", "anet_anno_action.json, video_info_new.csv; action_name.csv, activity_net.v1-3.min.json and "
                    "cuhk_val_simp_share.json are compared and used where they are there"),
    ("hacs", "HACS_segments_v1.1.1.json; validation94.32.json is used where it is there"),
)


def add_prepare(verbs):
    verb = verbs.add_parser(
        "prepare", help="THUMOS14, ActivityNet and HACS from the files that their authors pass around",
        description="Reads the small files of a public data set in FOLDER, tells where they contradict one another "
        "(docs/public-data.md), and with --output writes annotations.json, disagreements.json and, where there are "
        "video-level scores, external_scores.json. Nothing is downloaded. Needed: "
        + "; ".join("%s: %s" % pair for pair in NEEDED) + ".")
    verb.add_argument("dataset", choices=[name for name, _ in NEEDED], help="which data set")
    verb.add_argument("source", metavar="FOLDER", help="where its files are")
    verb.add_argument("--output", metavar="FOLDER", help="gets the files; without it, they are only compared")
    verb.add_argument("--features", metavar="PATH", help="THUMOS14's TSN features: a folder of rgb_val.h5, "
                      "rgb_test.h5, flow_val.h5 and flow_test.h5, or one HDF5 file with groups of these names; makes "
                      "features.json, which joins them without copying")
    verb.add_argument("--stride", type=int, default=5, metavar="N", help="with --features: frames from one snippet to "
                      "the next (default: %(default)s, as G-TAD)")
    verb.add_argument("--scores", metavar="FILE", help="ActivityNet, HACS: the score file, if it is not in FOLDER")
    verb.add_argument("--show", action="append", default=[], metavar="KIND", help="print every disagreement of this "
                      "kind, and no others; may be repeated")
    verb.add_argument("--force", action="store_true", help="replace an output that exists")
    verb.set_defaults(run=_prepare)


def _prepare(options):
    import os

    from tad.data.prepare.prepared import check_folder, disagreements_text, write_prepared
    from tad.errors import UserError
    if not os.path.isdir(options.source):
        raise UserError("%s is no folder; give the one with the files of %s" % (options.source, options.dataset))
    if options.features and options.output is None:
        raise UserError("--features needs --output, where features.json goes")
    if options.output is not None:
        check_folder(options.output, options.force)
    prepared = _read(options)
    for line in prepared.said:
        say(line)
    say(disagreements_text(prepared, options.show))
    if options.output is not None:
        for path in write_prepared(prepared, options.output):
            say("written: %s" % path)


def _read(options):
    """What the data set's module makes of the files."""
    from tad.errors import UserError
    if options.dataset == "thumos14":
        from tad.data.prepare import thumos14
        from tad.data.prepare.thumos14_features import with_features
        if options.scores:
            raise UserError("--scores is for activitynet and hacs; THUMOS14's uNet_test.npy is looked for in %s"
                            % options.source)
        prepared = thumos14.prepare(options.source)
        if options.features:
            prepared = with_features(prepared, options.features, options.stride, options.output)
        return prepared
    if options.features:
        raise UserError("--features is for thumos14; dataset.features takes %s's as they are: one folder or HDF5 file"
                        % options.dataset)
    from tad.data.prepare import activitynet, hacs
    return {"activitynet": activitynet, "hacs": hacs}[options.dataset].prepare(options.source, options.scores)

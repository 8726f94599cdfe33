"""Raw multichannel signals, ``(samples, channels)`` for each recording: reading them and filling what is missing."""

import os
from functools import partial
from typing import NamedTuple, Optional, Tuple

import numpy as np
import pandas

from tad.data.decimals import with_points
from tad.data.features import FOLDER_SUFFIXES, HDF5_SUFFIXES, FeatureError, open_store
from tad.errors import UserError, reason
from tad.files import paths_by_stem

TABLE_SUFFIXES = (".csv", ".tsv", ".txt")
FARTHEST_GAP = 10  # times as long as its samples that a recording may become by filling gaps in its time column


class Columns(NamedTuple):
    """Columns of tables that are not channels.

    ``recording`` holds the id where one table holds several recordings, ``time`` a clock in any unit; ``drop`` are of
    no use.
    """

    recording: Optional[str] = None
    time: Optional[str] = None
    drop: Tuple[str, ...] = ()

ALL_CHANNELS = Columns()


def open_signals(path, columns=ALL_CHANNELS):
    """How to read the samples of one recording, and the ids there are, sorted.

    :param path: folder of ``ID.npy``, ``.npz``, ``.csv``, ``.tsv`` or ``.txt``; one ``.npz``; one HDF5 file; or one
        table with ``columns.recording``.
    :returns: function id -> float64 ``(N, C)`` with NaN where a sample is missing, which raises :class:`FeatureError`;
        and a list of ids.
    :raises UserError: nothing is there that can be read.
    """
    if not os.path.exists(path):
        raise UserError("there are no signals %s" % path)
    if os.path.splitext(path)[1].lower() in TABLE_SUFFIXES and os.path.isfile(path):
        return _open_one_table(path, columns)
    if os.path.isdir(path):
        tables = _tables(path)
        if tables:
            return partial(_read_table_of, tables, columns), sorted(tables)
        _check_any(path)
    if columns != ALL_CHANNELS:
        raise UserError("--id-column, --time-column and --drop are for tables with column names (%s), which %s is not"
                        % (", ".join(TABLE_SUFFIXES), path))
    if os.path.isfile(path) and os.path.splitext(path)[1].lower() not in (".npz",) + HDF5_SUFFIXES:
        raise UserError("the signals %s must be a folder, a table (%s), an .npz file or an HDF5 file (%s)"
                        % (path, ", ".join(TABLE_SUFFIXES), ", ".join(HDF5_SUFFIXES)))
    load, ids = open_store(path)[:2]
    return lambda name: _as_samples(load(name)), sorted(ids)


def fill_missing(samples):
    """Samples without NaN or infinity: between neighbours on a straight line, at the ends the nearest sample.

    :param samples: float64 ``(N, C)``.
    :raises FeatureError: a channel has no sample at all.
    """
    filled = samples.copy()
    for channel in range(samples.shape[1]):
        column = filled[:, channel]
        there = np.isfinite(column)
        if not there.any():
            raise FeatureError("has no sample in channel %d" % channel)
        if not there.all():
            places = np.arange(len(column))
            column[~there] = np.interp(places[~there], places[there], column[there])
    return filled


def channel_statistics(arrays):
    """Mean and standard deviation of each channel, float64 ``(C,)``, over all samples of some recordings.

    :param arrays: function that starts an iteration over arrays ``(N, C)``; it is called twice.
    """
    count, total, squares = 0, None, None
    for samples in arrays():
        count += len(samples)
        total = _add_rows(total, samples)
    mean = total / count
    for samples in arrays():
        squares = _add_rows(squares, (samples - mean) ** 2)
    deviation = np.sqrt(squares / count)
    deviation[deviation < 1e-12] = 1.0
    return mean, deviation


def _add_rows(total, rows):
    """Row after row, so that the sum does not depend on where one recording ends and the next begins."""
    return (rows if total is None else np.concatenate([total[None], rows])).sum(axis=0)


def _tables(folder):
    names = [name for name in sorted(os.listdir(folder)) if not name.startswith(".")]
    return paths_by_stem(folder, names, TABLE_SUFFIXES, "tables for")


def _check_any(folder):
    if not any(name.lower().endswith(FOLDER_SUFFIXES) for name in os.listdir(folder)):
        raise UserError("the folder %s holds no signals (%s)"
                        % (folder, ", ".join(FOLDER_SUFFIXES + TABLE_SUFFIXES[1:])))


def _open_one_table(path, columns):
    try:
        table = _read_table(path)
    except FeatureError as error:
        raise UserError("the table %s %s" % (path, error))
    if columns.recording is None:
        name = os.path.splitext(os.path.basename(path))[0]
        return lambda _: _channels(table, columns), [name]
    _check_columns(table, columns)
    groups = {str(name): part for name, part in table.groupby(table[columns.recording], sort=False)}
    if not groups:
        raise UserError("the table %s has no recording in its column '%s'" % (path, columns.recording))
    return lambda name: _channels(groups[name], columns), sorted(groups)


def _read_table_of(tables, columns, name):
    return _channels(_read_table(tables[name]), columns)


def _read_table(path):
    """A table of text; columns without names are numbered from 0."""
    try:
        with open(path, encoding="utf-8-sig") as stream:
            first = stream.readline()
        if not first.strip():
            raise FeatureError("is empty, or begins with an empty line")
        separator = next((mark for mark in (";", "\t", ",") if mark in first), r"\s+")
        words = [word.strip().strip('"') for word in (first.split(separator) if separator != r"\s+" else first.split())]
        if separator != ",":
            words = [word.replace(",", ".") for word in words]
        named = not any(_is_number(word) for word in words)
        table = pandas.read_csv(path, sep=separator, header=0 if named else None, skipinitialspace=True, dtype=str,
                                encoding="utf-8-sig", keep_default_na=False).rename(columns=str)
        return table if separator == "," else with_points(table)
    except UnicodeDecodeError:
        raise FeatureError("is not UTF-8 text (%s); save it as UTF-8" % path)
    except (OSError, pandas.errors.ParserError, pandas.errors.EmptyDataError) as error:
        raise FeatureError("cannot be read (%s: %s)" % (path, reason(error)))


def _is_number(word):
    try:
        float(word)
    except ValueError:
        return False
    return True


def _check_columns(table, columns):
    for name in [columns.recording, columns.time] + list(columns.drop):
        if name is not None and name not in table.columns:
            raise UserError("the table has no column '%s'; its columns are: %s"
                            % (name, ", ".join(str(column) for column in table.columns[:20])))


def _channels(table, columns):
    """The numbers of the columns that are channels; missing ones are NaN."""
    _check_columns(table, columns)
    text = table.drop(columns=[name for name in (columns.recording, columns.time) + tuple(columns.drop) if name])
    if not text.shape[1]:
        raise FeatureError("has no column left that could be a channel")
    if columns.time is None:
        return _numbers(text)
    times = _numbers(table[[columns.time]])[:, 0]
    return _on_even_clock(_numbers(text), times, columns.time)


def _numbers(text):
    numbers = text.apply(pandas.to_numeric, errors="coerce")
    lowered = text.apply(lambda column: column.str.strip().str.lower())
    wrong = numbers.isna() & ~lowered.isin(["", "nan", "na", "null", "none"])
    if wrong.values.any():
        row, column = np.argwhere(wrong.values)[0]
        raise FeatureError("has text where numbers are needed (data row %d, column '%.60s': '%.60s'); leave such a "
                           "column out with --drop '%.60s'" % (row + 1, text.columns[column], text.iloc[row, column],
                                                 text.columns[column]))
    return _as_samples(numbers.values.astype(np.float64))


def _on_even_clock(samples, times, name):
    """Samples at every step of an even clock; rows of NaN where the time column jumps over some."""
    if not np.isfinite(times).all():
        raise FeatureError("has a missing value in its time column '%s'" % name)
    steps = np.diff(times)
    if (steps <= 0).any():
        raise FeatureError("has a time column '%s' that does not ascend (data row %d)"
                           % (name, np.argmax(steps <= 0) + 2))
    if not len(steps):
        return samples
    places = np.concatenate([[0], np.cumsum(np.maximum(np.round(steps / np.median(steps)), 1))])
    if places[-1] >= FARTHEST_GAP * len(samples):
        raise FeatureError("has a time column '%s' that jumps by %g after steps of %g"
                           % (name, steps.max(), np.median(steps)))
    even = np.full((int(places[-1]) + 1, samples.shape[1]), np.nan)
    even[places.astype(np.int64)] = samples
    return even


def _as_samples(array):
    array = np.asarray(array)
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or 0 in array.shape:
        raise FeatureError("has signals of shape %s, where (samples, channels) is needed" % (array.shape,))
    if array.dtype.kind not in "fiu":
        raise FeatureError("has signals of type %s, where numbers are needed" % array.dtype)
    array = array.astype(np.float64)
    array[~np.isfinite(array)] = np.nan
    return array

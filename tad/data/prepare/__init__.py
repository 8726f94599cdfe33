"""Public data sets from the files that their authors and the field pass around, into the package's formats.

One module a data set, ``thumos14``, ``activitynet`` and ``hacs``; each compares its sources with one another and tells
every disagreement. What they share is in ``matlab`` (reading ``.mat``), ``tables`` (reading CSV), ``instances`` (what
can be wrong with segments), ``video_scores`` (classifiers of whole videos) and ``prepared`` (what is written and told).
"""

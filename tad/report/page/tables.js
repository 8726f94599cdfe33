// The summary, what the runs are, the table of classes, and errors in words.

const runMark = run => make("span", {class: "mark"}, make("i", {style: {background: runInk(run.number)}}), run.name);

// Of several runs each has a letter, where there is no room for its name.
const letter = (data, run) => data.runs.length > 1 ? laneName(run.number) + ": " : "";

function summaryTable(data) {
  const best = data.thresholds.map((_, t) => Math.max(...data.runs.map(run => meanAp(data, run, t))));
  const head = make("tr", {}, make("th", {scope: "col"}, "Run"), ...data.thresholds.map(value =>
    make("th", {scope: "col", class: "number"}, "mAP@" + value)),
  make("th", {scope: "col", class: "number"}, "average"),
  make("th", {scope: "col", class: "number"}, "AR@100"), make("th", {scope: "col", class: "number"}, "detections"));
  const rows = data.runs.map(run => {
    const values = data.thresholds.map((_, t) => meanAp(data, run, t));
    return make("tr", {}, make("th", {scope: "row"}, letter(data, run), runMark(run)), ...values.map((value, t) =>
      make("td", {class: "number" + (data.runs.length > 1 && value === best[t] ? " best" : "")}, three(value))),
    make("td", {class: "number"}, three(values.reduce((a, b) => a + b, 0) / values.length)),
    make("td", {class: "number"}, three(run.recall[run.recall.length - 1])),
    make("td", {class: "number"}, run.scored.toLocaleString("en")));
  });
  return make("table", {}, make("thead", {}, head), make("tbody", {}, ...rows));
}

function meanAp(data, run, t) {
  let sum = 0;
  for (let k = 0; k < data.counted; k++) sum += run.ap[k * data.thresholds.length + t];
  return sum / data.counted;
}

function facts(data) {
  const outside = data.ids.length - data.scored;
  const parts = [make("p", {}, counted(data.truth.label.length, "annotated instance") + " of "
    + counted(data.counted, "class").replace("classs", "classes") + " in " + counted(data.scored, "recording")
    + (outside ? "; " + counted(outside, "more recording") + " with detections not in the scored subset, all false "
      + "positives" : "") + ".")];
  for (const run of data.runs.filter(one => one.for_nothing)) {
    parts.push(make("p", {}, run.name + ": " + counted(run.for_nothing, "more detection") + " counted for nothing, of "
      + "labels without an instance to find."));
  }
  for (const run of data.runs.filter(one => one.dropped)) {
    parts.push(make("p", {class: "warn"}, run.name + ": the " + counted(run.dropped, "least sure detection")
      + " of it count in mAP and the curves, and are not drawn or counted elsewhere on this page."));
  }
  for (const run of data.runs) {
    parts.push(make("details", {}, make("summary", {}, "Where " + run.name + " comes from"), make("table", {},
      make("tbody", {}, ...run.facts.map(([key, value]) => make("tr", {}, make("th", {scope: "row"}, key),
        make("td", {class: "path"}, value)))))));
  }
  return parts;
}

const averageAp = (data, run, label) => label < data.counted
  ? data.thresholds.reduce((sum, _, t) => sum + run.ap[label * data.thresholds.length + t], 0) / data.thresholds.length
  : NaN;

// The false positive kind that a class has most of, in words.
function mainError(data, counts, label) {
  const kinds = counts.kinds[label];
  const worst = FALSE_KINDS.reduce((a, b) => kinds[b] > kinds[a] ? b : a);
  return kinds[worst] ? {kind: worst, count: kinds[worst]} : null;
}

function classTable(data, counts, state, sorting, choose, resort) {
  const rows = data.labels.map((name, label) => ({name, label}));
  const keys = {name: row => row.name.toLowerCase(), instances: row => data.instances[row.label]};
  data.runs.forEach((run, n) => {
    // A class without instances has no AP, and stands behind those that have
    keys["ap" + n] = row => row.label < data.counted ? averageAp(data, run, row.label) : sorting.down ? -1 : 2;
    keys["missed" + n] = row => data.instances[row.label] ? counts[n].missed[row.label] / data.instances[row.label] : 0;
    keys["false" + n] = row => counts[n].kinds[row.label].slice(DOUBLE, UNCOUNTED).reduce((a, b) => a + b, 0);
  });
  const key = keys[sorting.key], sign = sorting.down ? -1 : 1;
  rows.sort((a, b) => sign * (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0) || a.label - b.label);
  const heading = (text, name, number) => sortHeading(text, name, sorting, resort, number);
  const head = make("tr", {}, heading("Class", "name", false), heading("instances", "instances", true));
  data.runs.forEach((run, n) => {
    const prefix = letter(data, run);
    head.append(heading(prefix + "average AP", "ap" + n, true), heading(prefix + "missed", "missed" + n, true),
      make("th", {scope: "col"}, "most of them"),
      heading(prefix + "false positives", "false" + n, true), make("th", {scope: "col"}, "most of them"));
  });
  const body = rows.map(row => {
    const line = make("tr", {class: row.label === state.label ? "chosen" : null}, make("th", {scope: "row"},
      make("button", {type: "button", class: "link", "aria-pressed": String(row.label === state.label),
        "data-label": row.label, on: {click: () => choose(row.label === state.label ? ALL : row.label)}},
      make("i", {class: "dot", style: {background: classColour(row.label, 1)}}), shortened(row.name || "(empty)", 60))),
    make("td", {class: "number"}, data.instances[row.label]));
    data.runs.forEach((run, n) => line.append(...classCells(data, run, counts[n], row.label)));
    return line;
  });
  return make("table", {class: "classes"}, make("thead", {}, head), make("tbody", {}, ...body));
}

function classCells(data, run, counts, label) {
  const ap = averageAp(data, run, label), worst = mainError(data, counts, label);
  const wrong = counts.kinds[label].slice(DOUBLE, UNCOUNTED).reduce((a, b) => a + b, 0);
  return [
    make("td", {class: "number"}, Number.isNaN(ap) ? "-" : three(ap), make("span", {class: "meter"},
      make("i", {style: {width: 100 * (ap || 0) + "%", background: runInk(run.number)}}))),
    make("td", {class: "number"}, percent(counts.missed[label], data.instances[label])),
    make("td", {}, counts.missed[label] ? missText(counts.ways[label]) : "-"),
    make("td", {class: "number"}, wrong),
    make("td", {}, worst ? make("span", {class: "mark"}, make("i", {style: {background: kindInk(worst.kind)}}),
      data.kinds[worst.kind] + " (" + percent(worst.count, wrong) + ")")
      : counts.kinds[label][UNCOUNTED] ? "not counted" : "-"),
  ];
}

// How most of a class's missed instances are missed.
function missText(ways) {
  const worst = ways.indexOf(Math.max(...ways));
  return MISSES_SHORT[worst] + " (" + percent(ways[worst], ways.reduce((a, b) => a + b, 0)) + ")";
}

// Why a run fails on what is chosen, in one or two sentences.
function verdict(data, run, counts, wanted) {
  const sum = list => list.reduce((a, b) => a + b, 0);
  const labels = wanted === ALL ? data.labels.map((_, label) => label) : [wanted];
  const instances = sum(labels.map(label => data.instances[label]));
  const missed = sum(labels.map(label => counts.missed[label]));
  const kinds = data.kinds.map((_, kind) => sum(labels.map(label => counts.kinds[label][kind])));
  const wrong = sum(kinds.slice(DOUBLE, UNCOUNTED));
  const parts = [(instances - missed).toLocaleString("en") + " of " + counted(instances, "instance")
    + " found (tIoU " + data.at + ", score from " + scoreText(run.least) + "), " + counted(wrong, "false positive") + "."];
  if (wanted !== ALL && wanted < data.counted) parts.push(apByThreshold(data, run, wanted));
  if (missed) parts.push(missWords(data, counts, labels, wanted));
  const ranked = FALSE_KINDS.filter(kind => kinds[kind])
    .sort((a, b) => kinds[b] - kinds[a]);
  if (ranked.length) {
    parts.push("Most false positives: " + ranked.slice(0, 2).map(kind => data.kinds[kind] + " "
      + percent(kinds[kind], wrong) + " (" + MEANING[kind] + ")").join(", then ") + ".");
  }
  const top = wanted === ALL ? null : most(counts.taken[wanted]);
  if (top) parts.push("Mixed up most with \u201c" + data.labels[top[0]] + "\u201d (" + top[1] + ").");
  if (kinds[UNCOUNTED]) parts.push(counted(kinds[UNCOUNTED], "detection") + " not counted: of labels without an instance, or on ignored instances.");
  return make("p", {}, make("strong", {}, letter(data, run), runMark(run), ": "), parts.join(" "));
}

// Where AP falls as the threshold rises, boundaries are off.
function apByThreshold(data, run, label) {
  const last = data.thresholds.length - 1;
  const places = Array.from(new Set([0, data.atIndex, last])).sort((a, b) => a - b);
  return "AP " + places.map(t => three(run.ap[label * (last + 1) + t]) + " at tIoU " + data.thresholds[t]).join(", ")
    + ".";
}

// What stands in the places of the missed instances.
function missWords(data, counts, labels, wanted) {
  const ways = MISSES.map((_, way) => labels.reduce((sum, label) => sum + counts.ways[label][way], 0));
  const top = wanted === ALL ? null : most(counts.lost[wanted]);
  const words = MISSES.map((text, way) => ways[way] ? ways[way].toLocaleString("en") + " " + text
    + (way === OTHER_CLASS && top ? " (most: \u201c" + data.labels[top[0]] + "\u201d)" : "") : "");
  return "Of " + counted(ways.reduce((a, b) => a + b, 0), "missed instance") + ": " + words.filter(Boolean).join(", ")
    + ".";
}

// The key that a map of counts has most of, with its count; undefined for an empty map.
const most = map => Array.from(map).sort((a, b) => b[1] - a[1])[0];

const MEANING = ["", "an instance found twice", "right time, other class", "right class, boundaries off",
  "other class, boundaries off", "nothing there"];

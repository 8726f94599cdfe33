// The report's data, unpacked; and counts over it. Nothing here touches the page.

const TRUE_POSITIVE = 0, DOUBLE = 1, WRONG_LABEL = 2, LOCALIZATION = 3, CONFUSION = 4, BACKGROUND = 5, UNCOUNTED = 6;
const FALSE_KINDS = [DOUBLE, WRONG_LABEL, LOCALIZATION, CONFUSION, BACKGROUND];
const ALL = -1, ALL_FALSE = -2;

function column(text, Kind) {
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) bytes[i] = raw.charCodeAt(i);
  return new Kind(bytes.buffer);
}

// Where the rows of each recording begin; rows stand in the order of recordings.
function offsets(recording, count) {
  const first = new Uint32Array(count + 1);
  for (let i = 0; i < recording.length; i++) first[recording[i] + 1]++;
  for (let i = 0; i < count; i++) first[i + 1] += first[i];
  return first;
}

function unpack(raw) {
  const count = raw.ids.length;
  const truth = {
    recording: column(raw.truth.recording, Uint32Array), label: column(raw.truth.label, Uint16Array),
    start: column(raw.truth.start, Float32Array), end: column(raw.truth.end, Float32Array),
  };
  truth.first = offsets(truth.recording, count);
  const runs = raw.runs.map((run, number) => unpackRun(run, number, count));
  const durations = column(raw.durations, Float32Array);
  for (let r = 0; r < count; r++) durations[r] = lastTime(durations[r], r, truth, runs);
  const instances = new Uint32Array(raw.labels.length);
  for (const label of truth.label) instances[label]++;
  return Object.assign({}, raw, {truth, runs, durations, instances,
    atIndex: raw.thresholds.indexOf(raw.at), best: Math.max(1e-9, ...runs.map(run => run.best))});
}

function unpackRun(raw, number, count) {
  const packed = raw.detections;
  const found = {
    recording: column(packed.recording, Uint32Array), label: column(packed.label, Uint16Array),
    kind: column(packed.kind, Uint8Array), partner: column(packed.partner, Int32Array),
    score: column(packed.score, Float32Array), start: column(packed.start, Float32Array),
    end: column(packed.end, Float32Array),
  };
  found.first = offsets(found.recording, count);
  let best = 0;
  for (const score of found.score) if (score > best) best = score;
  return Object.assign({}, raw, {number, found, best, least: 0, reached: column(raw.reached, Float32Array),
    ap: column(raw.ap, Float32Array), precision: column(raw.precision, Uint16Array),
    recall: column(raw.recall, Float32Array), curves: {}});
}

// A recording's end: its duration, or the last thing in it.
function lastTime(duration, r, truth, runs) {
  let last = duration > 0 ? duration : 0;
  for (let i = truth.first[r]; i < truth.first[r + 1]; i++) last = Math.max(last, truth.end[i]);
  if (duration > 0) return last;
  for (const {found} of runs) {
    for (let i = found.first[r]; i < found.first[r + 1]; i++) last = Math.max(last, found.end[i]);
  }
  return last || 1;
}

// Per-snippet scores of a recording, unpacked when they are first drawn.
function curvesOf(run, r) {
  if (!(r in run.curves)) {
    const packed = run.scores[r];
    run.curves[r] = packed && Object.keys(packed).reduce(
      (all, key) => Object.assign(all, {[key]: column(packed[key], Float32Array)}), {});
  }
  return run.curves[r];
}

const chosen = (label, wanted) => wanted === ALL || label === wanted;

// Whether detections of a kind are drawn.
const drawn = (kind, wanted) => wanted === ALL || kind === wanted
  || wanted === ALL_FALSE && kind !== TRUE_POSITIVE && kind !== UNCOUNTED;

// Counts of a recording, for the chosen class and scores from the run's threshold `least` on;
// `shown`: those of the chosen kind.
function countRecording(data, run, r, {label: wanted, kind}) {
  const result = {instances: 0, missed: 0, right: 0, wrong: 0, shown: 0};
  const {truth} = data, {found} = run;
  for (let i = truth.first[r]; i < truth.first[r + 1]; i++) {
    if (!chosen(truth.label[i], wanted)) continue;
    result.instances++;
    if (!(run.reached[i] >= run.least)) result.missed++;
  }
  for (let i = found.first[r]; i < found.first[r + 1] && found.score[i] >= run.least; i++) {
    if (!chosen(found.label[i], wanted)) continue;
    if (drawn(found.kind[i], kind)) result.shown++;
    if (found.kind[i] === TRUE_POSITIVE) result.right++; else if (found.kind[i] !== UNCOUNTED) result.wrong++;
  }
  return result;
}

// Counts of each class: missed instances, `ways[label]` those missed in each way, and detections of each kind.
// `taken[label][other]`: false positives on instances of another class; `lost[label][other]`: instances that only
// detections of other classes overlap.
function countClasses(data, run) {
  const {truth} = data, {found} = run, size = data.labels.length;
  const result = {missed: new Uint32Array(size), kinds: data.labels.map(() => new Uint32Array(data.kinds.length)),
    taken: data.labels.map(() => new Map()), ways: data.labels.map(() => [0, 0, 0, 0]),
    lost: data.labels.map(() => new Map())};
  const {miss, other: instead} = missesOf(data, run), add = (map, key) => map.set(key, (map.get(key) || 0) + 1);
  for (let i = 0; i < truth.label.length; i++) {
    if (run.reached[i] >= run.least) continue;
    const label = truth.label[i];
    result.missed[label]++;
    result.ways[label][miss[i]]++;
    if (miss[i] === OTHER_CLASS) add(result.lost[label], instead[i]);
  }
  for (let i = 0; i < found.score.length; i++) {
    if (found.score[i] < run.least) continue;
    const label = found.label[i], kind = found.kind[i];
    result.kinds[label][kind]++;
    if (kind === WRONG_LABEL || kind === CONFUSION) {
      add(result.taken[label], truth.label[found.partner[i]]);
    }
  }
  return result;
}

// Why an instance is missed: a detection takes it with a lower score; or, whatever the score, the best of those that
// overlap it (tIoU 0.1 or more) is of its class, all are of others, or there is none.
const LOWER_SCORE = 0, OFF = 1, OTHER_CLASS = 2, NOTHING = 3, LEAST_TIOU = 0.1;
const MISSES_SHORT = ["low score", "bad fit", "other class", "nothing there"];
const MISSES = ["found with a lower score",
  "under a detection of the class that fits too badly or took another instance",
  "only under detections of other classes", "without any detection"];

// Of each instance that no detection takes: its miss, and the label of the detection of another class that fits best.
// Scores do not matter, so that this is counted once.
function missesOf(data, run) {
  if (run.misses) return run.misses;
  const {truth} = data, {found} = run;
  const miss = new Uint8Array(truth.label.length), other = new Int32Array(truth.label.length).fill(-1);
  for (let i = 0; i < miss.length; i++) {
    const r = truth.recording[i];
    if (run.reached[i] >= 0) continue;
    let same = false, best = LEAST_TIOU;
    for (let k = found.first[r]; k < found.first[r + 1]; k++) {
      if (found.start[k] >= truth.end[i] || found.end[k] <= truth.start[i]) continue;
      const tiou = overlap(found.start[k], found.end[k], truth.start[i], truth.end[i]);
      if (found.label[k] === truth.label[i]) same = same || tiou >= LEAST_TIOU;
      else if (tiou >= best) { best = tiou; other[i] = found.label[k]; }
    }
    miss[i] = same ? OFF : other[i] >= 0 ? OTHER_CLASS : NOTHING;
  }
  run.misses = {miss, other};
  return run.misses;
}

// The kinds among the best G detections of each chosen class, G being its instances, among the next G, and so on to
// 10 G (DETAD, figure 3).
function profile(data, run, wanted) {
  const {found} = run, ranks = new Uint32Array(data.labels.length), bins = [];
  const order = Uint32Array.from(found.score, (_, i) => i).filter(i => chosen(found.label[i], wanted)
    && found.kind[i] !== UNCOUNTED).sort((a, b) => found.score[b] - found.score[a] || a - b);
  for (const i of order) {
    const bin = Math.floor(ranks[found.label[i]]++ / data.instances[found.label[i]]);
    if (bin > 9) continue;
    while (bins.length <= bin) bins.push([0, 0, 0, 0, 0, 0]);
    bins[bin][found.kind[i]]++;
  }
  return bins;
}

// Found and missed instances by their length: five bins of all instances' lengths.
function byLength(data, wanted) {
  const {truth} = data;
  const length = i => Math.max(0, truth.end[i] - truth.start[i]);
  const all = Array.from(truth.label, (_, i) => length(i)).sort((a, b) => a - b);
  const edges = [0.2, 0.4, 0.6, 0.8].map(part => all[Math.floor(part * all.length)]);
  const limits = [all[0], ...edges, all[all.length - 1]];
  const bins = [0, 1, 2, 3, 4].map(k => ({from: limits[k], to: limits[k + 1], rows: []}));
  for (let i = 0; i < truth.label.length; i++) {
    if (chosen(truth.label[i], wanted)) bins[edges.filter(edge => length(i) >= edge).length].rows.push(i);
  }
  return bins;
}

// The score at which recall and precision of some runs are best together (F1), a good place to begin looking.
function bestScore(data, runs) {
  const rows = [];
  for (const {found} of runs) {
    for (let i = 0; i < found.score.length; i++) {
      if (found.kind[i] !== UNCOUNTED) rows.push([found.score[i], found.kind[i] === TRUE_POSITIVE]);
    }
  }
  rows.sort((a, b) => b[0] - a[0]);
  let right = 0, best = 0, score = 0;
  rows.forEach(([value, hit], i) => {
    right += hit;
    const f1 = 2 * right / (i + 1 + data.truth.label.length * runs.length);
    if (f1 > best) { best = f1; score = value; }
  });
  return score || Math.max(...runs.map(run => run.best)) || 1;
}

function overlap(aStart, aEnd, bStart, bEnd) {
  const shared = Math.max(0, Math.min(aEnd, bEnd) - Math.max(aStart, bStart));
  const union = Math.max(0, aEnd - aStart) + Math.max(0, bEnd - bStart) - shared;
  return union > 0 ? shared / union : 0;
}

// What a run's diagnosis says (docs/evaluation.md): gains, and sensitivity to what instances are like.

const isObject = value => value !== null && typeof value === "object" && !Array.isArray(value);
const isNumber = value => typeof value === "number" && isFinite(value);

function showDiagnosis(data, wanted) {
  const figures = [], prefix = run => data.runs.length > 1 ? run.name + ": " : "";
  for (const run of data.runs) {
    const gains = gainChart(data, run, prefix(run), wanted);
    if (gains) figures.push(gains);
  }
  const names = new Set();
  data.runs.forEach(run => Object.keys(characteristicsOf(run)).forEach(name => names.add(name)));
  for (const name of names) {
    for (const run of data.runs) {
      const buckets = characteristicsOf(run)[name];
      if (buckets) figures.push(bucketChart(run, prefix(run), name, buckets));
    }
  }
  const notes = [].concat(...data.runs.map(run => (Array.isArray(run.diagnosis.notes) ? run.diagnosis.notes : [])
    .map(note => make("p", {class: "quiet"}, prefix(run) + String(note)))));
  replace(byId("diagnosis-charts"), ...figures, ...(notes.length ? [make("figure", {}, ...notes)] : []));
}

// Numbers here are means over tIoU thresholds; the charts under Errors are of one tIoU.
function gainChart(data, run, prefix, wanted) {
  const all = wanted === ALL, source = all ? run.diagnosis.false_positives : run.diagnosis.classes[wanted];
  if (!isObject(source) || !isObject(source.gain)) return null;
  const gain = source.gain, now = all ? source.average_mAP_N : source.AP_N;
  const rows = Object.keys(gain).filter(name => isNumber(gain[name])).map(name => ({name,
    parts: [Math.max(0, gain[name])], whole: Math.max(...Object.values(gain).filter(isNumber), 0.01),
    format: three, note: (gain[name] < 0 ? "\u2212" : "+") + three(Math.abs(gain[name]))}));
  return rows.length ? stackedBars(prefix + "what normalized AP gains without each kind of false positive, "
    + (all ? "mean of all classes" : data.labels[wanted]), isNumber(now) ? "Now " + three(now) + "." : null,
  [{name: "gain", ink: runInk(run.number)}], rows) : null;
}

function characteristicsOf(run) {
  const all = run.diagnosis.characteristics, result = {};
  if (!isObject(all)) return result;
  for (const name of Object.keys(all)) {
    const buckets = isObject(all[name]) && Array.isArray(all[name].buckets) ? all[name].buckets.filter(isObject) : [];
    if (buckets.length) result[name] = buckets;
  }
  return result;
}

function bucketChart(run, prefix, name, buckets) {
  const rows = [];
  for (const bucket of buckets) {
    const label = String(bucket.name) + rangeText(bucket);
    for (const [what, key] of [["mAP_N", "average_mAP_N"], ["missed", "false_negatives"]]) {
      if (!isNumber(bucket[key])) continue;
      rows.push({name: what === "mAP_N" ? label : "", whole: 1, format: three,
        parts: what === "mAP_N" ? [bucket[key], 0] : [0, bucket[key]], note: what + " " + three(bucket[key])});
    }
    if (!isNumber(bucket.average_mAP_N)) rows.push({name: label, whole: 1, parts: [0, 0], format: three, note: "none"});
  }
  const now = run.diagnosis.average_mAP_N;
  return stackedBars(prefix + "by " + name + ", all classes",
    (isNumber(now) ? "All instances: average mAP_N " + three(now) + ". " : "")
    + "Missed: the part of the instances that no detection finds.",
  [{name: "average mAP_N", ink: runInk(run.number)}, {name: "missed", ink: "var(--missed)"}], rows);
}

function rangeText(bucket) {
  const above = bucket.above >= 0 ? bucket.above : null, to = isNumber(bucket.up_to) ? bucket.up_to : null;
  if (above === null && to === null) return "";
  if (above === null) return " (to " + to + ")";
  return to === null ? " (over " + above + ")" : " (" + above + " \u2013 " + to + ")";
}

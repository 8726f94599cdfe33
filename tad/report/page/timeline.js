// One recording on a canvas: a row for each of its classes, in it a lane of ground truth and one of each run.

const LANE = 12, GAP = 3, LABEL = 15, ROW_GAP = 7, AXIS = 20, CURVES = 54, GUTTER = 30;

// What is drawn and how high it is; depends on the chosen class, not on the scores.
function layOut(data, r, wanted) {
  const {truth} = data, labels = [];
  for (let i = truth.first[r]; i < truth.first[r + 1]; i++) {
    if (chosen(truth.label[i], wanted) && !labels.includes(truth.label[i])) labels.push(truth.label[i]);
  }
  const rows = labels.map(label => ({label, lanes: 1 + data.runs.length}));
  const others = data.runs.some(({found}) => {
    for (let i = found.first[r]; i < found.first[r + 1]; i++) {
      if (chosen(found.label[i], wanted) && !labels.includes(found.label[i])) return true;
    }
    return false;
  });
  if (others) rows.push({label: ALL, lanes: data.runs.length});
  let top = 4;
  const curves = data.runs.filter(run => run.scores[r]).map(run => ({run, r, top: (top += CURVES) - CURVES}));
  for (const row of rows) {
    row.top = top + LABEL;
    top = row.top + row.lanes * (LANE + GAP) + ROW_GAP;
  }
  return {rows, labels, curves, height: top + AXIS};
}

// Everything that can be pointed at: {lane top, run or null, index}, ground truth first, less sure detections earlier.
function itemsOf(data, layout, r, {label: wanted, kind}) {
  const {truth} = data, items = [];
  const rowOf = label => layout.rows.find(row => row.label === label) || layout.rows[layout.rows.length - 1];
  for (let i = truth.first[r]; i < truth.first[r + 1]; i++) {
    if (chosen(truth.label[i], wanted)) {
      items.push({run: null, i, top: rowOf(truth.label[i]).top, start: truth.start[i], end: truth.end[i]});
    }
  }
  for (const run of data.runs) {
    const {found} = run;
    let last = found.first[r];
    while (last < found.first[r + 1] && found.score[last] >= run.least) last++;
    for (let i = last - 1; i >= found.first[r]; i--) {
      if (!chosen(found.label[i], wanted) || !drawn(found.kind[i], kind)) continue;
      const row = rowOf(found.label[i]), lane = run.number + (row.label === ALL ? 0 : 1);
      items.push({run, i, top: row.top + lane * (LANE + GAP), start: found.start[i], end: found.end[i]});
    }
  }
  return items;
}

// `view`: {from, to} in seconds; `focus`: the item that the keyboard is at, or null.
function drawTimeline(canvas, data, layout, items, view, focus) {
  const width = canvas.clientWidth, ratio = window.devicePixelRatio || 1;
  canvas.width = Math.round(width * ratio);
  canvas.height = Math.round(layout.height * ratio);
  const pen = canvas.getContext("2d");
  pen.scale(ratio, ratio);
  pen.font = "11px system-ui, sans-serif";
  const colours = {text: ink("text"), quiet: ink("quiet"), line: ink("line"), lane: ink("lane")};
  const toX = time => GUTTER + (width - GUTTER - 4) * (time - view.from) / (view.to - view.from);
  drawLanes(pen, data, layout, width, colours);
  drawAxis(pen, layout.height - AXIS, view, toX, width, colours);
  pen.save();
  pen.beginPath();
  pen.rect(GUTTER, 0, width - GUTTER - 3, layout.height);
  pen.clip();
  for (const item of items) {
    if (item.end >= view.from && item.start <= view.to) drawItem(pen, data, item, toX, colours);
  }
  for (const strip of layout.curves) drawCurves(pen, curvesOf(strip.run, strip.r), strip.top, view, toX);
  if (focus) {
    pen.strokeStyle = ink("focus");
    pen.lineWidth = 3;
    pen.strokeRect(toX(focus.start) - 3, focus.top - 3, Math.max(2, toX(focus.end) - toX(focus.start)) + 6, LANE + 6);
  }
  pen.restore();
}

function drawLanes(pen, data, layout, width, colours) {
  pen.textBaseline = "middle";
  for (const row of layout.rows) {
    pen.textAlign = "left";
    pen.fillStyle = colours.text;
    pen.fillText(row.label === ALL ? "other classes" : data.labels[row.label] || "(empty)", GUTTER, row.top - 8,
      width - GUTTER);
    pen.textAlign = "right";
    for (let lane = 0; lane < row.lanes; lane++) {
      const top = row.top + lane * (LANE + GAP), run = lane - (row.label === ALL ? 0 : 1);
      pen.fillStyle = colours.lane;
      pen.fillRect(GUTTER, top, width - GUTTER - 4, LANE);
      pen.fillStyle = run < 0 ? colours.text : ink("run" + run % 6);
      pen.fillText(run < 0 ? "GT" : data.runs.length > 1 ? laneName(run) : "det", GUTTER - 5, top + LANE / 2 + 1);
    }
  }
  for (const strip of layout.curves) {
    pen.fillStyle = ink("run" + strip.run.number % 6);
    pen.textAlign = "right";
    pen.fillText(data.runs.length > 1 ? laneName(strip.run.number) : "p", GUTTER - 5, strip.top + CURVES / 2);
  }
}

const laneName = number => number < 26 ? String.fromCharCode(65 + number) : String(number + 1);

function drawItem(pen, data, item, toX, colours) {
  const left = toX(item.start), width = Math.max(2, toX(item.end) - left);
  if (item.run === null) {
    const missed = data.runs.every(run => !(run.reached[item.i] >= run.least));
    pen.fillStyle = classColour(data.truth.label[item.i], missed ? 0.3 : 1);
    pen.fillRect(left, item.top, width, LANE);
    if (missed) frame(pen, left, item.top, width, colours.text, [3, 2]);
    return;
  }
  const {found} = item.run, kind = found.kind[item.i];
  pen.fillStyle = classColour(found.label[item.i], 0.12 + 0.88 * Math.max(0, found.score[item.i] / item.run.best));
  pen.fillRect(left, item.top, width, LANE);
  if (kind === TRUE_POSITIVE) frame(pen, left, item.top, width, colours.text, []);
}

function frame(pen, left, top, width, colour, dash) {
  if (width < 6) {
    // A frame would hide the colour: a line below says "true positive", a pale bar alone "missed"
    pen.fillStyle = colour;
    if (!dash.length) pen.fillRect(left, top + LANE - 3, width, 3);
    return;
  }
  pen.strokeStyle = colour;
  pen.lineWidth = 1.5;
  pen.setLineDash(dash);
  pen.strokeRect(left + 0.75, top + 0.75, Math.max(0.5, width - 1.5), LANE - 1.5);
  pen.setLineDash([]);
}

function drawAxis(pen, top, view, toX, width, colours) {
  const step = tickStep((view.to - view.from) / Math.max(2, (width - GUTTER) / 90));
  pen.fillStyle = colours.quiet;
  pen.strokeStyle = colours.line;
  pen.lineWidth = 1;
  pen.textAlign = "center";
  for (let time = Math.ceil(view.from / step) * step; time <= view.to; time += step) {
    const x = toX(time);
    pen.beginPath();
    pen.moveTo(x, 2);
    pen.lineTo(x, top + 3);
    pen.stroke();
    pen.fillText(tickText(time, step), Math.min(x, width - 20), top + 12);
  }
}

function tickStep(least) {
  const steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600];
  return steps.find(step => step >= least) || 3600 * Math.ceil(least / 3600);
}

// Whole seconds need no fraction.
const tickText = (time, step) => seconds(time).replace(step < 1 ? "" : /\.0$/, "");

// Startness and endness often rise together: a wide line, and dashes upon it.
const CURVE_INKS = {actionness: "right", startness: "double", endness: "label"};
const CURVE_WIDTHS = {actionness: 1.5, startness: 3.5, endness: 1.5}, CURVE_DASHES = {endness: [5, 4]};

function drawCurves(pen, curves, top, view, toX) {
  const toY = value => top + 3 + (CURVES - 8) * (1 - Math.max(0, Math.min(1, value)));
  for (const name of Object.keys(CURVE_INKS)) {
    if (!curves[name]) continue;
    pen.strokeStyle = ink(CURVE_INKS[name]);
    pen.lineWidth = CURVE_WIDTHS[name];
    pen.setLineDash(CURVE_DASHES[name] || []);
    pen.beginPath();
    curves.times.forEach((time, i) => {
      if (i === 0) pen.moveTo(toX(time), toY(curves[name][i])); else pen.lineTo(toX(time), toY(curves[name][i]));
    });
    pen.stroke();
  }
  pen.setLineDash([]);
}

// Words for an item, for the tip and for the screen reader.
function describe(data, item) {
  const {truth} = data;
  const times = seconds(item.start) + " \u2013 " + seconds(item.end) + " (" + seconds(item.end - item.start) + ")";
  if (item.run === null) {
    return [data.labels[truth.label[item.i]] || "(empty)", "annotated", times].concat(data.runs.map(run =>
      (data.runs.length > 1 ? run.name + ": " : "") + (run.reached[item.i] >= run.least
        ? "found with score " + scoreText(run.reached[item.i]) : run.reached[item.i] >= 0
          ? "missed at this score (found with " + scoreText(run.reached[item.i]) + ")"
          : "missed, " + missOf(data, run, item.i))));
  }
  const {found} = item.run, partner = found.partner[item.i];
  const lines = [data.labels[found.label[item.i]] || "(empty)", "score " + scoreText(found.score[item.i])
    + (data.runs.length > 1 ? ", " + item.run.name : ""), times, data.kinds[found.kind[item.i]]];
  if (partner >= 0) {
    lines.push("tIoU " + overlap(item.start, item.end, truth.start[partner], truth.end[partner]).toFixed(2)
      + " with \u201c" + data.labels[truth.label[partner]] + "\u201d at " + seconds(truth.start[partner]));
  }
  return lines;
}

function missOf(data, run, i) {
  const {miss, other} = missesOf(data, run);
  return MISSES[miss[i]] + (miss[i] === OTHER_CLASS ? ", best \u201c" + data.labels[other[i]] + "\u201d" : "");
}

function curveWords(curves, time) {
  let at = 0;
  curves.times.forEach((value, i) => { if (Math.abs(value - time) < Math.abs(curves.times[at] - time)) at = i; });
  return [seconds(curves.times[at])].concat(Object.keys(CURVE_INKS).filter(name => curves[name])
    .map(name => name + " " + three(curves[name][at])));
}

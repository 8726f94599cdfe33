// Charts: lines with a cursor that mouse and arrow keys move, and stacked bars with their numbers.

// `series`: [{name, ink, dash, faint, x: [...], y: [...]}], y from 0 to 1; `x` from 0 to `limit`.
function lineChart(title, xName, yName, limit, series) {
  const width = 460, height = 300, left = 44, right = 18, top = 10, bottom = 40;
  const toX = x => left + (width - left - right) * x / limit, toY = y => top + (height - top - bottom) * (1 - y);
  const drawing = svg("svg", {viewBox: "0 0 " + width + " " + height, tabindex: "0", role: "img",
    "aria-label": title + ": " + series.map(one => one.name).join("; ") + ". Arrow keys read the values."});
  for (let step = 0; step <= 5; step++) {
    const y = step / 5, x = limit * step / 5;
    drawing.append(
      svg("line", {x1: left, x2: width - right, y1: toY(y), y2: toY(y), class: "grid"}),
      svg("text", {x: left - 6, y: toY(y) + 4, "text-anchor": "end"}, y.toFixed(1)),
      svg("text", {x: toX(x), y: height - bottom + 16, "text-anchor": "middle"}, Number(x.toFixed(1)).toString()));
  }
  drawing.append(svg("text", {x: (left + width - right) / 2, y: height - 6, "text-anchor": "middle"}, xName),
    svg("text", {x: 12, y: (top + height - bottom) / 2, "text-anchor": "middle",
      transform: "rotate(-90 12 " + (top + height - bottom) / 2 + ")"}, yName));
  for (const one of series) {
    drawing.append(svg("polyline", {points: one.x.map((x, i) => toX(x).toFixed(1) + "," + toY(one.y[i]).toFixed(1))
      .join(" "), fill: "none", class: "line", style: {stroke: one.ink, opacity: one.faint || 1},
      "stroke-dasharray": one.dash || null}));
  }
  if (series.length) addCursor(drawing, xName, series, toX, limit, {left, right, width, top, end: height - bottom});
  const key = make("div", {class: "key"}, ...series.map(one => make("span", {},
    make("i", {style: {background: one.ink, opacity: one.faint || 1}}), one.name)));
  return make("figure", {}, make("figcaption", {}, title), drawing, key);
}

function addCursor(drawing, xName, series, toX, limit, box) {
  const cursor = svg("line", {y1: box.top, y2: box.end, class: "cursor", visibility: "hidden"});
  drawing.append(cursor);
  const points = series[0].x;
  let at = 0;
  const show = (x, y, aloud) => {
    cursor.setAttribute("x1", toX(points[at]));
    cursor.setAttribute("x2", toX(points[at]));
    cursor.setAttribute("visibility", "visible");
    const lines = [xName + " " + Number(points[at].toFixed(2))]
      .concat(series.map(one => one.name + ": " + three(one.y[Math.min(at, one.y.length - 1)])));
    showTip(lines, x, y);
    if (aloud) speak(lines.join(", "));
  };
  const hide = () => { cursor.setAttribute("visibility", "hidden"); hideTip(); };
  drawing.addEventListener("pointermove", event => {
    const place = drawing.getBoundingClientRect();
    const inside = (event.clientX - place.left) * box.width / place.width;
    const x = (inside - box.left) / (box.width - box.left - box.right) * limit;
    at = points.reduce((best, value, i) => Math.abs(value - x) < Math.abs(points[best] - x) ? i : best, 0);
    show(event.clientX, event.clientY, false);
  });
  drawing.addEventListener("pointerleave", hide);
  drawing.addEventListener("blur", hide);
  drawing.addEventListener("keydown", event => {
    const step = {ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10, Home: -1e9, End: 1e9}[event.key];
    if (!step) return;
    event.preventDefault();
    at = Math.max(0, Math.min(points.length - 1, at + step));
    const place = drawing.getBoundingClientRect();
    show(place.left + toX(points[at]) * place.width / box.width, place.top + 40, true);
  });
}

// `rows`: [{name, parts: [number, ...], note}], `kinds`: [{name, ink}]; every bar is as long as its part of `whole`.
function stackedBars(title, note, kinds, rows) {
  const body = rows.map(row => {
    const sum = row.parts.reduce((a, b) => a + b, 0), whole = row.whole || sum;
    const bar = make("div", {class: "stack"}, ...row.parts.map((part, k) => part > 0 ? withTip(
      make("span", {style: {width: 100 * part / (whole || 1) + "%", background: kinds[k].ink}}),
      [kinds[k].name, row.format ? row.format(part) : part.toLocaleString("en") + " of " + whole.toLocaleString("en")
        + " (" + percent(part, whole) + ")", row.name]) : null));
    return make("tr", {}, make("th", {scope: "row"}, row.name), make("td", {}, bar, make("span", {class: "hidden"},
      row.parts.map((part, k) => kinds[k].name + " " + (row.format ? row.format(part) : part)).join(", "))),
    make("td", {class: "number"}, row.note));
  });
  const key = make("div", {class: "key"}, ...kinds.map(kind => make("span", {},
    make("i", {style: {background: kind.ink}}), kind.name)));
  return make("figure", {}, make("figcaption", {}, title), note ? make("p", {class: "quiet"}, note) : null,
    make("table", {class: "bars"}, make("tbody", {}, ...body)), key);
}

// Precision against recall of the chosen class: one line a run at one tIoU, or a line for each tIoU too.
function precisionChart(data, wanted, tiou) {
  const size = data.recalls, series = [];
  const x = Array.from({length: size}, (_, i) => i / (size - 1));
  const known = wanted === ALL ? Array.from({length: data.counted}, (_, i) => i)
    : wanted < data.counted ? [wanted] : [];
  for (const run of data.runs) {
    data.thresholds.forEach((threshold, t) => {
      if ((tiou !== ALL && tiou !== t) || !known.length) return;
      const y = x.map((_, i) => known.reduce(
        (sum, k) => sum + run.precision[(k * data.thresholds.length + t) * size + i], 0) / known.length / 65535);
      const ap = known.reduce((sum, k) => sum + run.ap[k * data.thresholds.length + t], 0) / known.length;
      series.push({name: (data.runs.length > 1 ? run.name + ", " : "") + "tIoU " + threshold + ": "
        + (wanted === ALL ? "mAP " : "AP ") + three(ap), ink: runInk(run.number), dash: runDash(run.number),
      faint: tiou === ALL ? 1 - 0.75 * t / Math.max(1, data.thresholds.length - 1) : 1, x, y});
    });
  }
  return lineChart("Precision and recall, " + (wanted === ALL ? "mean of all classes" : data.labels[wanted]),
    "recall", "precision", 1, series);
}

function recallChart(data) {
  const series = data.runs.map(run => ({
    name: run.name + ": AR@100 " + three(run.recall[run.recall.length - 1]), ink: runInk(run.number),
    dash: runDash(run.number), x: Array.from(run.recall, (_, i) => i + 1), y: Array.from(run.recall)}));
  return lineChart("Average recall of the detections as proposals, whatever their class (AR-AN, tIoU 0.5:0.05:0.95)",
    "detections a recording on average", "average recall", 100, series);
}

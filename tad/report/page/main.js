// What is chosen, and what is drawn again when that changes.

function start() {
  const data = unpack(JSON.parse(byId("data").textContent));
  const state = {label: ALL, value: 0, own: data.runs.length > 1, sort: "errors", kind: ALL, search: "",
    actionsOnly: false, tiou: data.runs.length > 1 ? data.atIndex : ALL};
  const fair = data.runs.map(run => bestScore(data, [run]));
  const sorting = {key: "ap0", down: false};
  const list = RecordingList(byId("list"), data, state);

  byId("title").textContent = data.runs.map(run => run.name).join(", ");
  document.title = byId("title").textContent + " - detections report";
  replace(byId("summary-table"), summaryTable(data));
  replace(byId("facts"), ...facts(data));
  byId("footer").textContent = "Made by tad " + data.version + " on " + data.created + ". Errors are told at tIoU "
    + data.at + ", after Alwassel et al., Diagnosing Error in Temporal Action Detectors (ECCV 2018).";
  drawLegend(data);
  fillClasses(data);
  byId("kind").append(make("option", {value: ALL}, "all detections"),
    make("option", {value: ALL_FALSE}, "false positives"),
    ...data.kinds.map((name, kind) => make("option", {value: kind}, "only: " + name)));
  byId("by").hidden = data.runs.length < 2;
  setValue(firstValue());

  // Scores of different detectors need not mean the same: of several runs each begins at its own best score, and the
  // slider multiplies those. Or all have one score.
  function firstValue() { return state.own ? 1 : bestScore(data, data.runs); }
  function largest() { return state.own ? Math.max(...data.runs.map((run, n) => run.best / fair[n]), 1) : data.best; }

  function setValue(value) {
    state.value = Math.max(0, Math.min(largest(), value));
    byId("slider").value = Math.round(1000 * Math.sqrt(state.value / largest()));
    showValue();
  }

  function showValue() {
    data.runs.forEach((run, n) => { run.least = state.own ? state.value * fair[n] : state.value; });
    byId("score").value = Number(state.value.toPrecision(4));
    byId("slider").setAttribute("aria-valuetext", scoreText(state.value) + (state.own ? " times each run's best" : ""));
  }

  // While the slider moves: what changes in place. Sorting waits for its rest, or cards would jump about.
  function scoreMoves() {
    drawFound();
    list.redraw();
  }

  function drawFound() {
    const words = data.runs.map(run => {
      let right = 0, wrong = 0;
      const {found} = run;
      for (let i = 0; i < found.score.length; i++) {
        if (found.score[i] < run.least || !chosen(found.label[i], state.label) || found.kind[i] === UNCOUNTED) continue;
        if (found.kind[i] === TRUE_POSITIVE) right++; else wrong++;
      }
      const all = state.label === ALL ? data.truth.label.length : data.instances[state.label];
      return (data.runs.length > 1 ? laneName(run.number) + " from " + scoreText(run.least) + ": " : "")
        + "recall " + percent(right, all) + ", precision "
        + percent(right, right + wrong);
    });
    byId("found").textContent = words.join("; ");
  }

  function drawErrors() {
    const counts = data.runs.map(run => countClasses(data, run));
    replace(byId("verdict"), state.label === ALL ? null : make("h3", {}, data.labels[state.label] || "(empty)"),
      ...data.runs.map((run, n) => verdict(data, run, counts[n], state.label)));
    const table = classTable(data, counts, state, sorting, choose, key => {
      drawErrors();
      document.querySelector('#class-table th[data-key="' + key + '"] button').focus();
    });
    replace(byId("class-table"), table);
    const kinds = [TRUE_POSITIVE, ...FALSE_KINDS].map(kind =>
      ({name: data.kinds[kind], ink: kindInk(kind)}));
    const prefix = run => data.runs.length > 1 ? run.name + ": " : "";
    const what = state.label === ALL ? "all classes" : data.labels[state.label];
    replace(byId("error-charts"), ...data.runs.map(run => {
      return stackedBars(prefix(run) + "what the best detections are, " + what,
        "1 G: the best detections of each class, as many as it has instances; 2 G: the next as many; and so on.", kinds,
        profile(data, run, state.label).map((parts, n) => ({name: n + 1 + " G", parts, note: ""})));
    }), ...data.runs.map(run => stackedBars(prefix(run) + "instances by length, " + what,
      "Five bins of all instances' lengths; score from " + scoreText(run.least) + ".",
      [{name: "found", ink: kindInk(TRUE_POSITIVE)}, {name: "missed", ink: "var(--missed)"}],
      byLength(data, state.label).map(bin => {
        const missed = bin.rows.filter(i => !(run.reached[i] >= run.least)).length;
        return {name: seconds(bin.from) + " \u2013 " + seconds(bin.to), parts: [bin.rows.length - missed, missed],
          note: bin.rows.length ? percent(missed, bin.rows.length) + " missed" : "none"};
      }))));
  }

  function drawCurveCharts() {
    const select = make("select", {id: "tiou", on: {change: event => {
      state.tiou = Number(event.target.value);
      drawCurveCharts();
      byId("tiou").focus();
    }}}, make("option", {value: ALL}, "all"), ...data.thresholds.map((value, t) => make("option", {value: t}, value)));
    select.value = state.tiou;
    const chart = precisionChart(data, state.label, state.tiou);
    chart.prepend(make("label", {class: "of-chart"}, "tIoU ", select));
    replace(byId("curve-charts"), chart, recallChart(data));
  }

  function choose(label) {
    state.label = label;
    byId("class").value = label;
    byId("actions-only").checked = state.actionsOnly = label !== ALL && data.instances[label] > 0;
    const inTable = byId("class-table").contains(document.activeElement) && document.activeElement.dataset.label;
    drawAll();
    // The table was made anew: the keyboard stays where it was
    if (inTable) byId("class-table").querySelector('[data-label="' + inTable + '"]').focus();
  }

  function drawAll() {
    drawFound();
    drawErrors();
    drawCurveCharts();
    showDiagnosis(data, state.label);
    list.arrange();
  }

  const on = (id, name, act) => byId(id).addEventListener(name, event => act(event.target));
  on("class", "change", target => choose(Number(target.value)));
  on("slider", "input", target => {
    // Scores crowd near zero: the slider's middle is a quarter
    state.value = largest() * Math.pow(target.value / 1000, 2);
    showValue();
    scoreMoves();
  });
  on("slider", "change", () => { drawErrors(); list.arrange(); });
  on("score", "change", target => {
    setValue(Number(target.value) || 0);
    drawAll();
  });
  on("by", "change", target => {
    state.own = target.value === "own";
    setValue(firstValue());
    drawAll();
  });
  on("sort", "change", target => { state.sort = target.value; list.arrange(); });
  on("kind", "change", target => {
    state.kind = Number(target.value);
    // Those with most of what is drawn come first; who sorted otherwise keeps that
    if (state.sort === "errors" || state.sort === "shown") {
      byId("sort").value = state.sort = state.kind === ALL ? "errors" : "shown";
    }
    list.arrange();
  });
  on("search", "input", target => { state.search = target.value; list.arrange(); });
  on("actions-only", "change", target => { state.actionsOnly = target.checked; list.arrange(); });
  dark.addEventListener("change", () => { drawLegend(data); drawAll(); });
  window.addEventListener("keydown", event => { if (event.key === "Escape") hideTip(); });
  drawAll();
}

function fillClasses(data) {
  const order = data.labels.map((name, label) => label)
    .sort((a, b) => data.labels[a].localeCompare(data.labels[b]) || a - b);
  byId("class").append(make("option", {value: ALL}, "all classes"), ...order.map(label => make("option", {value: label},
    shortened(data.labels[label] || "(empty)", 50) + " (" + data.instances[label] + ")")));
}

function drawLegend(data) {
  const many = data.runs.length > 1;
  const runs = data.runs.map(run => make("span", {}, many ? laneName(run.number) + ": " : "det: ", runMark(run), "; "));
  replace(byId("legend"), "GT: ground truth; ", ...runs, "colour: class; opacity: score; ",
    make("span", {class: "swatch framed"}), " true positive at tIoU " + data.at + "; ",
    make("span", {class: "swatch dashed"}), " missed instance" + (many ? " (by all runs)" : "") + ". ",
    data.runs.some(run => Object.keys(run.scores).length) ? make("span", {}, "curves: ",
      ...Object.keys(CURVE_INKS).map(name => make("span", {}, make("span", {class: "mark"},
        make("i", {class: "stroke", style: {borderTopColor: "var(--" + CURVE_INKS[name] + ")", borderTopWidth:
          Math.max(2, CURVE_WIDTHS[name]) + "px", borderTopStyle: CURVE_DASHES[name] ? "dashed" : "solid"}}), name),
      "; "))) : "",
    "Tab to a timeline: arrows go through its segments, + and \u2212 zoom (also Ctrl and wheel), 0 shows all.");
}

start();

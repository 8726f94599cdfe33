// The list of recordings: only the cards near the window exist, however many recordings there are.

const CARD = 67, CARD_GAP = 12, BEYOND = 600;

function RecordingList(host, data, state) {
  const cards = new Map(), views = new Map();
  let order = [], tops = [0], waiting = false;

  // Which recordings are listed, in which order.
  function arrange() {
    const words = state.search.toLowerCase();
    const rows = [];
    data.ids.forEach((id, r) => {
      if (words && !id.toLowerCase().includes(words)) return;
      const counts = data.runs.map(run => countRecording(data, run, r, state));
      const sum = key => counts.reduce((total, one) => total + one[key], 0);
      if (state.actionsOnly && !counts[0].instances) return;
      rows.push({r, missed: sum("missed"), false: sum("wrong"), errors: sum("missed") + sum("wrong"),
        shown: sum("shown"), instances: counts[0].instances, duration: data.durations[r], name: id});
    });
    if (state.sort === "name") rows.sort((a, b) => a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
    else if (state.sort !== "file") rows.sort((a, b) => b[state.sort] - a[state.sort] || a.r - b.r);
    order = rows.map(row => row.r);
    const layouts = order.map(r => layOut(data, r, state.label));
    tops = [0];
    layouts.forEach((layout, n) => tops.push(tops[n] + CARD + layout.height + CARD_GAP));
    for (const card of cards.values()) card.element.remove();
    cards.clear();
    host.style.height = tops[order.length] + "px";
    byId("listed").textContent = counted(order.length, "recording") + " listed of "
      + data.ids.length.toLocaleString("en");
    update();
  }

  function update() {
    waiting = false;
    const place = host.getBoundingClientRect().top;
    const from = -place - BEYOND, to = -place + innerHeight + BEYOND;
    let n = placeIn(tops, from);
    const wanted = new Set();
    for (; n < order.length && tops[n] < to; n++) wanted.add(n);
    for (const [number, card] of cards) {
      // The card that has the keyboard's focus stays, or the focus would be lost
      if (!wanted.has(number) && !card.element.contains(document.activeElement)) {
        card.element.remove();
        cards.delete(number);
      }
    }
    for (const number of wanted) if (!cards.has(number)) add(number);
  }

  // Cards stand in the document in their order, so that Tab goes from one to the next.
  function add(number) {
    const card = makeCard(number);
    const later = Array.from(cards.keys()).filter(other => other > number).sort((a, b) => a - b)[0];
    host.insertBefore(card.element, later === undefined ? null : cards.get(later).element);
    cards.set(number, card);
    draw(card);
  }

  function makeCard(number) {
    const r = order[number], layout = layOut(data, r, state.label);
    const canvas = make("canvas", {tabindex: "0", role: "img", style: {height: layout.height + "px"}});
    const counts = make("span", {class: "counts"});
    const card = {r, number, layout, canvas, counts, at: null, items: []};
    const button = (text, words, act) => make("button", {type: "button", "aria-label": words, title: words,
      on: {click: () => { act(); draw(card); }}}, text);
    card.element = make("article", {class: "card", role: "listitem", "aria-setsize": order.length,
      "aria-posinset": number + 1, "data-recording": r, style: {top: tops[number] + "px",
        height: CARD + layout.height + "px"}},
    make("div", {class: "card-head"}, make("h3", {title: data.ids[r]}, data.ids[r] || "(empty)"),
      make("span", {class: "zoom"}, button("\u2212", "zoom out", () => zoom(card, 2)),
        button("+", "zoom in", () => zoom(card, 0.5)), button("all", "whole recording", () => views.delete(r)))),
    make("div", {class: "quiet"}, seconds(data.durations[r]) + (r >= data.scored ? ", not in the scored subset" : "")
      + ". ", counts), canvas);
    listen(card);
    return card;
  }

  const view = card => views.get(card.r) || {from: 0, to: data.durations[card.r]};

  function zoom(card, factor, around) {
    const now = view(card), whole = data.durations[card.r];
    const length = Math.min(whole, Math.max((now.to - now.from) * factor, Math.min(whole, 0.5)));
    const middle = around !== undefined ? around
      : card.at ? (card.at.start + card.at.end) / 2 : (now.from + now.to) / 2;
    const part = Math.min(1, Math.max(0, (middle - now.from) / (now.to - now.from)));
    const from = Math.min(Math.max(0, middle - part * length), whole - length);
    views.set(card.r, {from, to: from + length});
  }

  function draw(card) {
    card.items = itemsOf(data, card.layout, card.r, state);
    if (card.at && !card.items.some(item => item.run === card.at.run && item.i === card.at.i)) card.at = null;
    drawTimeline(card.canvas, data, card.layout, card.items, view(card), card.at);
    const words = data.runs.map(run => {
      const one = countRecording(data, run, card.r, state);
      return letter(data, run) + (one.instances - one.missed) + " of "
        + counted(one.instances, "instance") + " found, " + counted(one.wrong, "false positive");
    }).join("; ");
    card.counts.textContent = words;
    card.canvas.setAttribute("aria-label", "Timeline of " + data.ids[card.r] + ": " + words
      + ". Left and right arrows go from one segment to the next, plus and minus zoom.");
  }

  const timeAt = (card, x) => {
    const place = card.canvas.getBoundingClientRect(), now = view(card);
    return now.from + (x - place.left - GUTTER) / (place.width - GUTTER - 4) * (now.to - now.from);
  };

  // The item under the pointer; of several the surest, which is drawn last.
  function itemAt(card, x, y) {
    const time = timeAt(card, x), inside = y - card.canvas.getBoundingClientRect().top;
    const slack = 3 * (view(card).to - view(card).from) / card.canvas.clientWidth;
    for (let n = card.items.length - 1; n >= 0; n--) {
      const item = card.items[n];
      if (inside >= item.top && inside < item.top + LANE && time >= item.start - slack && time <= item.end + slack) {
        return item;
      }
    }
    return null;
  }

  function listen(card) {
    let drag = null;
    const {canvas} = card;
    canvas.addEventListener("pointerdown", event => {
      if (event.pointerType === "mouse") drag = {x: event.clientX, view: view(card)};
    });
    canvas.addEventListener("pointerup", () => { drag = null; });
    canvas.addEventListener("pointerleave", () => { drag = null; hideTip(); });
    canvas.addEventListener("pointermove", event => {
      if (drag && views.has(card.r)) {
        const length = drag.view.to - drag.view.from;
        const moved = (drag.x - event.clientX) / (canvas.clientWidth - GUTTER - 4) * length;
        const from = Math.min(Math.max(0, drag.view.from + moved), data.durations[card.r] - length);
        views.set(card.r, {from, to: from + length});
        draw(card);
        return;
      }
      point(card, event.clientX, event.clientY);
    });
    canvas.addEventListener("click", event => point(card, event.clientX, event.clientY));
    canvas.addEventListener("wheel", event => {
      if (!event.ctrlKey) return;  // the wheel alone scrolls the page
      event.preventDefault();
      zoom(card, event.deltaY > 0 ? 1.25 : 0.8, timeAt(card, event.clientX));
      draw(card);
    }, {passive: false});
    canvas.addEventListener("keydown", event => press(card, event));
    canvas.addEventListener("blur", () => { card.at = null; hideTip(); draw(card); });
  }

  function point(card, x, y) {
    const item = itemAt(card, x, y);
    const inside = y - card.canvas.getBoundingClientRect().top;
    const strip = card.layout.curves.find(one => inside >= one.top && inside < one.top + CURVES);
    if (item) showTip(describe(data, item), x, y);
    else if (strip) showTip(curveWords(curvesOf(strip.run, card.r), timeAt(card, x)), x, y);
    else hideTip();
  }

  function press(card, event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const step = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (step) {
      const inTime = card.items.slice().sort((a, b) => a.start - b.start || a.top - b.top);
      const here = item => item.run === card.at.run && item.i === card.at.i;
      const now = card.at ? inTime.findIndex(here) : step > 0 ? -1 : 0;
      card.at = inTime[(now + step + inTime.length) % inTime.length] || null;
      if (card.at) tellItem(card);
    } else if (event.key === "+" || event.key === "=") zoom(card, 0.5);
    else if (event.key === "-") zoom(card, 2);
    else if (event.key === "0") views.delete(card.r);
    else if (event.key === "Escape") { card.at = null; hideTip(); } else return;
    event.preventDefault();
    draw(card);
  }

  function tellItem(card) {
    const now = view(card), length = now.to - now.from;
    if (card.at.end < now.from || card.at.start > now.to) {
      const from = Math.min(Math.max(0, (card.at.start + card.at.end - length) / 2), data.durations[card.r] - length);
      views.set(card.r, {from, to: from + length});
    }
    const place = card.canvas.getBoundingClientRect(), seen = view(card);
    const part = Math.max(0, card.at.start - seen.from) / (seen.to - seen.from);
    const x = place.left + GUTTER + (place.width - GUTTER) * part;
    const lines = describe(data, card.at);
    showTip(lines, x, place.top + card.at.top + LANE);
    speak(lines.join(", "));
  }

  function later() {
    if (!waiting) { waiting = true; requestAnimationFrame(update); }
  }

  window.addEventListener("scroll", later, {passive: true});
  window.addEventListener("resize", () => { later(); redraw(); });
  const redraw = () => cards.forEach(draw);
  return {arrange, redraw, update};
}

// The last place in a rising list that is not above a value.
function placeIn(list, value) {
  let low = 0, high = list.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (list[middle] <= value) low = middle; else high = middle - 1;
  }
  return low;
}

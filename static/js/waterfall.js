// The waterfall while its run goes on: begun from the times that the server has recorded, carried on from what frames
// tell. When the run ends, the server's own drawing takes its place.
import { withBands } from "./bands.js";
import { durationText } from "./durations.js";
import { watchStatuses } from "./statuses.js";

const DRAW_MS = matchMedia("(prefers-reduced-motion: reduce)").matches ? 1_000 : 200;
const WORKING = ["running", "streaming"];
const BREAK_SHARE = 0.07; // as in chains/queries/waterfall.py
const STEPS_MS = [10, 100, 1_000, 10_000, 100_000, 1_000_000].flatMap((scale) => [scale, 2 * scale, 5 * scale]);
const charts = new Map(); // figure → Chart
let timer = null;

function draw(name, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

class Chart {
  constructor(figure) {
    this.figure = figure;
    this.zero = performance.now() - Number(figure.dataset.now);
    this.idle = JSON.parse(figure.dataset.idle);
    this.width = 0;
    this.lanes = new Map();
    for (const row of figure.querySelectorAll("[data-lane]")) {
      const calls = JSON.parse(row.dataset.calls).map(([attempt, start, first, end]) => ({ attempt, start, first, end }));
      this.lanes.set(row.dataset.lane, { row, svg: row.querySelector("svg"), calls, bars: [], isDone: false });
    }
    // The rows may be behind what frames have told already.
    for (const step of this.lanes.keys()) this.take(document.getElementById(`step-${step}`));
  }

  get now() {
    return performance.now() - this.zero;
  }

  // A run that waited in the queue begins when somebody takes it.
  begin() {
    if (![...this.lanes.values()].some(({ calls }) => calls.length)) this.zero = performance.now();
  }

  take(column) {
    const lane = column && this.lanes.get(column.dataset.step);
    if (!lane) return;
    const { status } = column.dataset;
    lane.svg.dataset.status = status;
    lane.isDone = false;
    const last = lane.calls.at(-1);
    const isOpen = last && last.end === null;
    if (WORKING.includes(status) && !isOpen) lane.calls.push({ start: this.now, first: null, end: null });
    if (status === "streaming") lane.calls.at(-1).first ??= this.now;
    if (!WORKING.includes(status) && isOpen) last.end = this.now;
  }

  // Where a moment stands on the axis: long waits are drawn as short breaks.
  place(ms, width = this.width) {
    const waited = this.idle.reduce((sum, [start, end]) => sum + end - start, 0);
    const breakMs = (width - waited) * BREAK_SHARE;
    const drawn = width - waited + breakMs * this.idle.length;
    let place = ms;
    for (const [start, end] of this.idle) {
      if (ms >= end) place -= end - start - breakMs;
      else if (ms > start) place -= (ms - start) * (1 - breakMs / (end - start));
    }
    return `${((100 * place) / drawn).toFixed(3)}%`;
  }

  draw() {
    const waited = this.idle.reduce((sum, [start, end]) => sum + end - start, 0);
    const shown = this.now - waited;
    const step = STEPS_MS.find((ms) => shown / ms <= 8) ?? 3_600_000;
    const width = waited + Math.max(2_000, Math.ceil((shown * 1.02) / step) * step);
    const isWider = width !== this.width;
    this.width = width;
    if (isWider) this.drawAxis(Math.max(step, 500));
    let sum = 0;
    for (const lane of this.lanes.values()) sum += this.drawLane(lane, isWider);
    this.figure.querySelector("[data-wall]").textContent = durationText(this.now);
    this.figure.querySelector("[data-sum]").textContent = durationText(sum);
  }

  drawAxis(step) {
    const from = this.idle.at(-1)?.[1] ?? 0;
    const marks = [];
    for (let ms = from; ms <= this.width; ms += step) marks.push(ms);
    const axis = this.figure.querySelector(".waterfall-axis");
    const name = (ms) => {
      const text = draw("text", { x: this.place(ms), y: 11, ...(ms ? {} : { class: "axis-first" }) });
      text.textContent = ms ? durationText(ms) : "0";
      return text;
    };
    axis.replaceChildren(...marks.filter((ms) => ms < this.width).map(name), ...this.idle.map((span) => this.drawIdle(span)));
    for (const { svg } of this.lanes.values()) {
      svg.querySelectorAll("line").forEach((line) => line.remove());
      svg.prepend(
        ...marks.map((ms) => draw("line", { class: "tick", x1: this.place(ms), x2: this.place(ms), y1: 0, y2: "100%" })),
        ...this.idle.map(([start, end]) =>
          draw("line", { class: "lane-idle", x1: this.place(start), x2: this.place(end), y1: "50%", y2: "50%" }),
        ),
      );
    }
  }

  drawIdle([start, end]) {
    const text = draw("text", { class: "axis-idle", x: this.place((start + end) / 2), y: 25 });
    text.textContent = `waited ${durationText(end - start)}`;
    return text;
  }

  drawLane(lane, isWider) {
    const { calls, row, svg } = lane;
    const now = this.now;
    const lasted = calls.reduce((sum, { start, end }) => sum + (end ?? now) - start, 0);
    if (lane.isDone && !isWider) return lasted;
    if (isWider || !svg.querySelector(".bar-queue")) this.drawQueue(svg, calls.length ? calls[0].start : now);
    else if (!calls.length) svg.querySelector(".bar-queue").setAttribute("x2", this.place(now));
    svg.querySelectorAll("rect").forEach((bar) => lane.bars.includes(bar) || bar.remove());
    calls.forEach((call, index) => this.drawCall(lane, call, index, now));
    lane.isDone = calls.length > 0 && calls.every(({ end }) => end !== null);
    if (calls.length) {
      row.querySelector(".waterfall-time").textContent = durationText(lasted);
      row.querySelector("[data-figures]").textContent = figures(calls, now);
    }
    return lasted;
  }

  drawQueue(svg, until) {
    svg.querySelector(".bar-queue")?.remove();
    svg.append(draw("line", { class: "bar-queue", x1: "0%", x2: this.place(until), y1: "50%", y2: "50%" }));
  }

  drawCall(lane, { start, first, end }, index, now) {
    const until = end ?? now;
    const spans = { wait: [start, first ?? until], stream: first === null ? null : [first, until] };
    for (const [kind, span] of Object.entries(spans)) {
      if (!span) continue;
      const place = index * 2 + (kind === "stream");
      lane.bars[place] ??= draw("rect", { class: `bar-${kind}`, y: 4, height: 12, rx: 2 });
      const width = Math.max(0.3, parseFloat(this.place(span[1])) - parseFloat(this.place(span[0])));
      lane.bars[place].setAttribute("x", this.place(span[0]));
      lane.bars[place].setAttribute("width", `${width.toFixed(3)}%`);
      if (!lane.bars[place].isConnected) lane.svg.append(lane.bars[place]);
    }
  }
}

function figures(calls, now) {
  const { start, first, end } = calls.at(-1);
  const until = end ?? now;
  const parts = [`began after ${durationText(calls[0].start)}`];
  if (calls.length > 1) parts.push(`${calls.length} attempts`);
  if (first === null) parts.push(end === null ? `no token for ${durationText(until - start)}` : "no token came");
  else parts.push(`first token ${durationText(first - start)} later`, `streamed ${durationText(until - first)}`);
  if (end !== null) parts.push(`ended at ${durationText(end)}`);
  return parts.join(", ");
}

function look() {
  for (const figure of charts.keys()) if (!figure.isConnected) charts.delete(figure);
  for (const figure of document.querySelectorAll("[data-waterfall][data-live]")) {
    if (!charts.has(figure)) charts.set(figure, new Chart(figure));
  }
  if (charts.size) timer ??= setInterval(tick, DRAW_MS);
}

function tick() {
  look();
  if (!charts.size) {
    clearInterval(timer);
    timer = null;
  }
  // A folded run is drawn when it is unfolded again.
  if (!document.hidden) for (const chart of charts.values()) if (chart.figure.offsetParent) chart.draw();
}

// A run's summary is replaced whenever the server has drawn it anew.
const summaries = new MutationObserver(look);
withBands((band) => {
  summaries.observe(band.querySelector(".band-fold"), { childList: true });
  look();
});
watchStatuses((changes) => {
  for (const { element } of changes) {
    const chart = charts.get(element.closest("[data-run]").querySelector("[data-waterfall]"));
    if (chart && element.matches(".column")) chart.take(element);
    else if (chart && element.dataset.runStatus === "running") chart.begin();
  }
});

// The charts of an endpoint: drift of both arms, and self-reported harm by dimension. What they draw stands in the
// tables beneath them too, for readers without scripts.
import uPlot from "../uplot/uPlot.esm.js";

const HEIGHT = 260, DOT = 5, DIAMOND = 5;
const MARGIN = 0.1;
const CROWDED = 150;  // points beyond which their marks are small
const SHOWN = [-0.5, 2];  // drift beyond is cut off: the interval of a single heartbeat may be very wide
const charts = new Map();  // element -> { plot, data }
let loaded = "";

const area = () => document.querySelector("[data-charts]");
// a canvas knows no CSS variables: hidden elements in the colours of the theme tell what they are now
const ink = (name) => getComputedStyle(document.querySelector(`[data-ink="${name}"]`) ?? document.body).color;
const number = (value) => value == null ? "–" : value.toFixed(2).replace("-", "−");
const faded = (colour, share) => colour.replace(/^rgba?\(([^)]+)\)$/, (_, parts) => {
  const [r, g, b] = parts.split(",");
  return `rgba(${r},${g},${b},${share})`;
});

// what stands under the time axis, by the distance of two marks in seconds: the reader's zone, 24 hours, the day beneath
const DAY = 86400, BENEATH = ["\n{D} {MMM} {YYYY}", null, "\n{D} {MMM}", null, null, null, 1];
const TIMES = [
  [365 * DAY, "{YYYY}", null, null, null, null, null, null, 1],
  [28 * DAY, "{MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [DAY, "{D} {MMM}", "\n{YYYY}", null, null, null, null, null, 1],
  [60, "{HH}:{mm}", ...BENEATH],
  [1, "{HH}:{mm}:{ss}", ...BENEATH],
];

function axes(unit) {
  const look = { stroke: () => ink("muted"), grid: { stroke: () => ink("line"), width: 1 }, ticks: { stroke: () => ink("line") }, font: "12px system-ui, sans-serif" };
  return [{ ...look, space: 74, values: TIMES }, { ...look, size: 46, values: (_, ticks) => ticks.map((tick) => number(tick)), label: unit, labelFont: "12px system-ui, sans-serif", labelSize: 20 }];
}

function landmarks(data, arm) {
  return (plot) => {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.textBaseline = "alphabetic";
    ctx.font = `${12 * devicePixelRatio}px system-ui, sans-serif`;
    ctx.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio]);
    let lowest = -Infinity;
    const shown = Object.entries(data.arms[arm].landmarks).sort((a, b) => b[1] - a[1]);
    for (const [name, value] of shown) {
      const y = plot.valToPos(value, "y", true);
      if (y < bbox.top || y > bbox.top + bbox.height) continue;
      ctx.strokeStyle = ink(name);
      ctx.lineWidth = 1.2 * devicePixelRatio;
      ctx.beginPath(); ctx.moveTo(bbox.left, y); ctx.lineTo(bbox.left + bbox.width, y); ctx.stroke();
      const at = Math.max(y - 4 * devicePixelRatio, lowest + 13 * devicePixelRatio);
      lowest = at;
      ctx.fillStyle = ink("muted");
      ctx.textAlign = "left";
      ctx.fillText(name, bbox.left + 4 * devicePixelRatio, at);
    }
    ctx.restore();
  };
}

// the interval of a run without neighbours: a band needs two
function lone(plot, data, arm) {
  const figures = data.arms[arm];
  if (!figures) return;
  const { ctx, bbox } = plot, ratio = devicePixelRatio;
  ctx.save();
  ctx.strokeStyle = faded(ink("accent"), 0.55); ctx.lineWidth = 3 * ratio;
  figures.drift.forEach((drift, i) => {
    if (drift == null || figures.low[i] == null || figures.drift[i - 1] != null || figures.drift[i + 1] != null) return;
    const [x, low, high] = [plot.valToPos(data.at[i], "x", true), plot.valToPos(figures.low[i], "y", true), plot.valToPos(figures.high[i], "y", true)];
    ctx.beginPath(); ctx.moveTo(x, Math.min(low, bbox.top + bbox.height)); ctx.lineTo(x, Math.max(high, bbox.top)); ctx.stroke();
  });
  ctx.restore();
}

// changes of verdict as diamonds at the top, the beginning of alerts as lines from top to bottom
function marks(data, arm) {
  return (plot) => {
    const { ctx, bbox } = plot, ratio = devicePixelRatio;
    const within = (at) => at >= plot.scales.x.min && at <= plot.scales.x.max;
    ctx.save();
    ctx.strokeStyle = ink("alarm"); ctx.lineWidth = ratio; ctx.setLineDash([2 * ratio, 3 * ratio]);
    for (const { at } of data.alarms) {
      if (!within(at)) continue;
      const x = plot.valToPos(at, "x", true);
      ctx.beginPath(); ctx.moveTo(x, bbox.top); ctx.lineTo(x, bbox.top + bbox.height); ctx.stroke();
    }
    ctx.setLineDash([]);
    lone(plot, data, arm);
    ctx.fillStyle = ink("fg");
    data.changed.forEach((changed, i) => {
      if (!changed || !within(data.at[i])) return;
      const x = plot.valToPos(data.at[i], "x", true), y = bbox.top + (DIAMOND + 1) * ratio, r = DIAMOND * ratio;
      ctx.beginPath(); ctx.moveTo(x, y - r); ctx.lineTo(x + r, y); ctx.lineTo(x, y + r); ctx.lineTo(x - r, y); ctx.closePath(); ctx.fill();
    });
    ctx.fillStyle = ink("alarm");
    (data.arms[arm]?.alarm ?? []).forEach((alarm, i) => {
      const drift = data.arms[arm].drift[i];
      if (!alarm || drift == null || !within(data.at[i])) return;
      const x = plot.valToPos(data.at[i], "x", true), y = plot.valToPos(drift, "y", true);
      if (y < bbox.top || y > bbox.top + bbox.height) return;
      ctx.beginPath(); ctx.arc(x, y, (data.at.length > CROWDED ? 2 : 3.5) * ratio, 0, 2 * Math.PI); ctx.fill();
    });
    ctx.restore();
  };
}

const points = { size: DOT, fill: () => ink("accent"), stroke: () => ink("accent") };

function driftChart(data, arm) {
  const figures = data.arms[arm];
  const values = [...figures.drift, ...figures.low, ...figures.high, ...Object.values(figures.landmarks)].filter((value) => value != null);
  const low = Math.max(Math.min(-MARGIN, ...values), SHOWN[0]), high = Math.min(Math.max(1 + MARGIN, ...values) + MARGIN, SHOWN[1]);
  const verdict = (_, value, series, i) => i == null ? "" : data.verdict[i];
  return {
    options: {
      scales: { y: { range: [low, high] } },
      series: [
        { label: "Time", value: (_, value) => value == null ? "–" : new Date(value * 1000).toLocaleString() },
        { label: "Drift", stroke: () => ink("accent"), width: 2, points, value: (_, value) => number(value) },
        { label: "Low", stroke: "transparent", points: { show: false }, value: (_, value) => number(value) },
        { label: "High", stroke: "transparent", points: { show: false }, value: (_, value) => number(value) },
        { label: "Verdict", stroke: "transparent", points: { show: false }, value: verdict },
      ],
      bands: [{ series: [3, 2], fill: () => faded(ink("accent"), 0.2) }],
      axes: axes("drift"),
      hooks: { drawAxes: [landmarks(data, arm)], draw: [marks(data, arm)] },
    },
    columns: [data.at, figures.drift, figures.low, figures.high, data.at.map(() => null)],
  };
}

function dimensionsChart(data) {
  const names = Object.keys(data.dimensions);
  return {
    options: {
      scales: { y: { range: [0, Math.max(0.5, ...names.flatMap((name) => data.dimensions[name].map((value) => value ?? 0))) * 1.05] } },
      series: [
        { label: "Time", value: (_, value) => value == null ? "–" : new Date(value * 1000).toLocaleString() },
        ...names.map((label, i) => ({ label, stroke: () => ink(`c${i % 6 + 1}`), width: 1.6, dash: i % 2 ? [6, 3] : undefined, points: { size: 4, fill: () => ink(`c${i % 6 + 1}`) }, value: (_, value) => number(value) })),
      ],
      axes: axes("score"),
      hooks: { draw: [marks(data, "")] },
    },
    columns: [data.at, ...names.map((name) => data.dimensions[name])],
  };
}

function says(data, kind) {
  const name = kind === "dimensions" ? "Self-reported harm by dimension" : `${kind === "behaviour" ? "Behaviour" : "Self-report"} drift`;
  return `${name} of ${data.shown} runs; the same figures stand in the table below`;
}

function draw(element, data) {
  const kind = element.dataset.chart;
  const { options, columns } = kind === "dimensions" ? dimensionsChart(data) : driftChart(data, kind);
  const before = charts.get(element);
  const zoom = before?.zoomed ? { min: before.plot.scales.x.min, max: before.plot.scales.x.max } : null;
  before?.plot.destroy();
  const entry = { zoomed: Boolean(zoom), data };
  // from the first run on: an endpoint of yesterday does not fill a month
  const whole = { min: data.at[0] ?? data.from ?? data.to - 3600, max: data.to };
  // a single moment would be an axis without length
  if (whole.max - whole.min < 60) { whole.min -= 1800; whole.max += 1800; }
  const reset = button(element, () => { entry.zoomed = false; entry.plot.setScale("x", whole); });
  entry.plot = new uPlot({
    ...options,
    width: Math.max(element.clientWidth, 200), height: HEIGHT,
    legend: { live: true },
    cursor: { drag: { x: true, y: false, uni: 20 }, focus: { prox: 30 }, bind: { dblclick: () => () => { reset.click(); return null; } } },
    scales: { x: { time: true, range: (_, min, max) => entry.zoomed && min != null ? [min, max] : [whole.min, whole.max] }, ...options.scales },
    hooks: {
      ...options.hooks,
      setSelect: [(plot) => { if (plot.select.width > 0) { entry.zoomed = true; reset.hidden = false; } }],
      setScale: [() => { reset.hidden = !entry.zoomed; }],
    },
  }, columns, element);
  if (zoom) { entry.plot.setScale("x", zoom); }
  const canvas = element.querySelector("canvas");
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", says(data, kind));
  charts.set(element, entry);
}

function button(element, act) {
  let made = element.querySelector(".zoom-out");
  if (!made) {
    made = document.createElement("button");
    made.type = "button"; made.className = "act zoom-out"; made.textContent = "Whole range"; made.hidden = true;
    element.prepend(made);
  }
  made.onclick = act;
  return made;
}

async function load() {
  const found = area();
  if (!found) return;
  const wanted = `${found.dataset.src} ${found.dataset.newest}`;
  if (wanted === loaded) return;
  loaded = wanted;
  try {
    const reply = await fetch(found.dataset.src, { headers: { accept: "application/json" } });
    if (!reply.ok) throw new Error(`${reply.status}`);
    const data = await reply.json();
    for (const element of found.querySelectorAll("[data-chart]")) draw(element, data);
    for (const element of charts.keys()) if (!element.isConnected) { charts.get(element).plot.destroy(); charts.delete(element); }
  } catch {
    loaded = "";  // tried again with the next refresh
    for (const element of found.querySelectorAll("[data-chart]")) if (!charts.has(element)) element.textContent = "The chart could not be loaded. Its figures stand in the table below.";
  }
}

const redraw = () => { for (const { plot } of charts.values()) plot.redraw(false); };

addEventListener("resize", () => { for (const [element, { plot }] of charts) plot.setSize({ width: Math.max(element.clientWidth, 200), height: HEIGHT }); });
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ["data-theme"] });
// the page's body is refreshed in place: a newer run is drawn as soon as it is named there
new MutationObserver(load).observe(document.getElementById("page"), { childList: true, subtree: true, attributeFilter: ["data-newest", "data-src"], attributes: true });
load();

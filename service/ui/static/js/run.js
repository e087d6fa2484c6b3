// Follows a run by server-sent events. While the stream is open the page does not poll; when it is refused or breaks,
// the polling of the page (htmx) goes on as on every other page.
import { localise } from "./times.js";

const QUIET_MS = 10_000; // after so much silence the body is asked for once: that also tells whether the service is there
const AGAIN_MS = 30_000; // a stream that was refused is asked for again after this
const MISSING = "–";

let source = null, open = false, over = false, heard = -Infinity, again = 0;
const loaded = performance.now();
const page = document.getElementById("page");
const box = () => document.getElementById("run-progress");
const asOf = Date.parse(document.querySelector(".foot time")?.dateTime ?? "");

function follow() {
  const run = box()?.dataset.follow;
  clearTimeout(again);
  if (!run || over || source) return;
  source = new EventSource(`/api/v1/events?run=${encodeURIComponent(run)}`);
  source.onopen = () => { show(true); refresh(); }; // what happened before the stream was there
  source.onerror = () => {
    show(false); // the browser comes back by itself, unless the service said no
    if (source?.readyState === EventSource.CLOSED) { leave(); again = setTimeout(follow, AGAIN_MS); }
  };
  source.addEventListener("progress", (event) => progressed(JSON.parse(event.data)));
  for (const kind of ["verdict", "lagged"]) source.addEventListener(kind, refresh);
}

function leave() { source?.close(); source = null; show(false); }

function show(now) {
  open = now;
  document.documentElement.dataset.stream = now ? "open" : "closed";
}

function progressed(told) {
  heard = performance.now();
  const at = box();
  if (!at) return;
  const { answered, total, rate_per_s: rate, eta_s: eta } = told.progress;
  const bar = at.querySelector("progress");
  bar.max = Math.max(total, 1);
  bar.value = answered;
  bar.textContent = `${answered} of ${total}`;
  const { prompt_tokens: prompt, completion_tokens: completion, usd } = told.usage;
  write("answers", `${count(answered)} / ${count(total)}`);
  write("rate", rate === null ? MISSING : `${rate.toFixed(1)} a second`);
  write("left", eta === null ? MISSING : duration(eta));
  write("tokens", count(prompt + completion));
  write("cost", dollars(usd));
  fresh();
  // another state has other buttons and sections
  if (told.state !== at.dataset.state || String(told.paused) !== at.dataset.paused) refresh();
}

function write(name, text) {
  const at = document.querySelector(`[data-live="${name}"]`);
  if (at && at.textContent !== text) at.textContent = text;
}

// the figures are of now: the note that they are old waits anew
function fresh() {
  for (const running of document.querySelector(".stale-note")?.getAnimations() ?? []) running.currentTime = 0;
  const time = document.querySelector(".foot time");
  if (!time || Number.isNaN(asOf)) return;
  time.dateTime = new Date(asOf + performance.now() - loaded).toISOString().replace(/\.\d+Z$/, "+00:00");
  localise(time.parentElement);
}

function refresh() {
  heard = -Infinity; // lets the next request through, this one or the polling's
  page.dispatchEvent(new CustomEvent("every"));
}

document.addEventListener("htmx:before:request", (event) => {
  if (event.target !== page) return;
  if (over || (open && performance.now() - heard < QUIET_MS)) event.preventDefault();
});
document.addEventListener("htmx:after:swap", () => {
  heard = performance.now();
  if (!box()?.dataset.follow) { over = true; leave(); }
});
// a browser has few connections to a service: a tab that nobody sees needs none
document.addEventListener("visibilitychange", () => { if (document.hidden) leave(); else follow(); });
addEventListener("pagehide", leave);
addEventListener("pageshow", follow);

// as the server writes them
function count(value) { return value.toLocaleString("en-US"); }
function dollars(value) {
  if (value === null) return "price not known";
  return `$${value.toFixed(value >= 1 || value === 0 ? 2 : 4)}`;
}
function duration(seconds) {
  if (seconds < 10) return `${Math.max(seconds, 0).toFixed(1)} s`;
  const whole = Math.round(seconds);
  for (const [size, big, smallSize, small] of [[86400, "d", 3600, "h"], [3600, "h", 60, "min"], [60, "min", 1, "s"]]) {
    if (whole < size) continue;
    const rest = Math.floor((whole % size) / smallSize);
    return `${Math.floor(whole / size)} ${big}${rest ? ` ${rest} ${small}` : ""}`;
  }
  return `${whole} s`;
}

follow();

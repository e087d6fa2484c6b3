// Times in the reader's own zone: every <time data-exact> and every tooltip of a <time>. The server writes UTC, which
// stays readable where no script runs.
const exact = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const zone = new Intl.DateTimeFormat(undefined, { timeZoneName: "short" });

function name(at) {
  return zone.formatToParts(at).find((part) => part.type === "timeZoneName")?.value ?? "";
}

export function localise(root = document) {
  for (const time of root.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    const text = `${exact.format(at)} ${name(at)}`;
    const shown = time.hasAttribute("data-exact");
    const title = shown ? time.dateTime.replace("T", " ").replace("+00:00", " UTC") : text;
    // to write what is there already would wake the observer below again
    if (shown && time.textContent !== text) time.textContent = text;
    if (time.title !== title) time.title = title;
  }
}

// the button does nothing without scripts, so it appears with them
function button() {
  const theme = document.getElementById("theme");
  if (theme?.hidden) theme.hidden = false;
}

function refresh() { localise(); button(); }

refresh();
// a refreshed body comes in UTC again; both are drawn in one frame
new MutationObserver(refresh).observe(document.body, { childList: true, subtree: true, characterData: true, attributeFilter: ["title", "hidden"], attributes: true });

// A live page whose session has ended says so, in place of figures that only look fresh.
document.addEventListener("htmx:after:request", (event) => {
  const status = event.detail?.ctx?.response?.status, note = document.getElementById("signed-out");
  if (!note || !status) return;
  note.hidden = status !== 401;
  const back = location.pathname + location.search;
  note.querySelector("a").href = `/sign-in?next=${encodeURIComponent(back)}`;
});

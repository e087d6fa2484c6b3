// Heat maps by keyboard: one stop for Tab, arrows from cell to cell, and what a cell tells beneath its table.
const table = (cell) => cell.closest("table[data-heat]");

function told(cell) {
  const heat = table(cell);
  const line = document.getElementById(heat.dataset.heat);
  const row = cell.parentElement.querySelector("th").textContent.trim();
  const column = heat.tHead.rows[0].cells[cell.cellIndex].textContent.trim();
  if (line) line.textContent = `${row}, ${column}: ${cell.dataset.says ?? cell.title}`;
}

const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

document.addEventListener("keydown", (event) => {
  const cell = event.target.closest?.("table[data-heat] td");
  const step = STEPS[event.key];
  if (!cell || !step) return;
  const rows = table(cell).tBodies[0].rows;
  const next = rows[cell.parentElement.sectionRowIndex + step[0]]?.cells[cell.cellIndex + step[1]];
  event.preventDefault();
  if (next?.tagName !== "TD") return;
  cell.tabIndex = -1;
  next.tabIndex = 0;
  next.focus();
});
document.addEventListener("focusin", (event) => {
  const cell = event.target.closest?.("table[data-heat] td");
  if (cell) told(cell);
});

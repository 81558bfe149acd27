// Marks that tell their values when they are pointed at, touched, or stepped through with the arrow keys; tables that
// sort.

const tip = document.getElementById("tip");

function tell(mark) {
  const told = document.querySelector("use.told");
  if (mark === told) return;
  told?.classList.remove("told");
  tip.hidden = mark === null;
  if (mark === null) return;
  mark.classList.add("told");
  tip.textContent = mark.dataset.tip;
  const box = mark.getBoundingClientRect(), size = tip.getBoundingClientRect();
  const left = Math.min(Math.max(4, box.left + box.width / 2 - size.width / 2), innerWidth - size.width - 4);
  const above = box.top - size.height - 6;
  tip.style.left = `${left + scrollX}px`;
  tip.style.top = `${(above > 0 ? above : box.bottom + 6) + scrollY}px`;
}

// A browser also tells of the pointer's overs and leaves when the page moves under a mouse that rests; only a move is
// the reader's own, and may take the place of what the arrow keys chose.
for (const kind of ["pointermove", "pointerdown"]) {
  document.addEventListener(kind, (event) => tell(event.target.closest("use[data-tip]")));
}

for (const plot of document.querySelectorAll("svg.plot")) {
  const marks = [...plot.querySelectorAll("use[data-tip]")];
  plot.addEventListener("blur", () => tell(null));
  plot.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.key === "Escape") tell(null);
    if (!step || !marks.length) return;
    event.preventDefault();
    const now = marks.findIndex((mark) => mark.classList.contains("told"));
    tell(marks[now < 0 ? (step > 0 ? 0 : marks.length - 1) : (now + step + marks.length) % marks.length]);
  });
}

// A cell's number, or null where it holds words; what is missing ("–" or nothing) sorts last either way.
function cellValue(row, column) {
  const text = row.cells[column].textContent.trim();
  if (text === "–" || text === "") return null;
  return isNaN(Number(text)) ? text : Number(text);
}

function sortBy(table, column, ascending) {
  const compare = (a, b) => {
    const [left, right] = [cellValue(a, column), cellValue(b, column)];
    if (left === null || right === null) return (left === null) - (right === null);
    const order = typeof left === "number" && typeof right === "number" ? left - right : String(left).localeCompare(right);
    return ascending ? order : -order;
  };
  table.tBodies[0].append(...[...table.tBodies[0].rows].sort(compare));
}

for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.querySelector("button").addEventListener("click", () => {
    const ascending = head.getAttribute("aria-sort") !== "ascending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
    sortBy(table, column, ascending);
  }));
}

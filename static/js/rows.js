// Lists do not jump: rows keep their places while the list is in use, or until the person asks for the new ones.

/** What a list's next state would do to its rows: `fresh` and `gone` ids, and whether a row would move.
 * A row that fresh ones above push off the end of the page is not gone: it is on the next page. */
export function compareRows(current, next) {
  const known = new Set(current);
  const coming = new Set(next);
  const fresh = next.filter((id) => !known.has(id));
  const missing = current.filter((id) => !coming.has(id));
  const gone = missing.slice(0, missing.length - pushedOff(current, next, known, coming));
  const moves = current.some((id, index) => next[index] !== id);
  return { fresh, gone, moves };
}

// How many rows after the last one that stays had to make room for fresh ones before it.
function pushedOff(current, next, known, coming) {
  if (next.length < current.length) return 0;
  const behind = current.length - 1 - current.findLastIndex((id) => coming.has(id));
  const lastStaying = next.findLastIndex((id) => known.has(id));
  const before = next.slice(0, lastStaying + 1).filter((id) => !known.has(id)).length;
  return Math.min(behind, before);
}

/** The words of the strip. */
export function stripText({ fresh, gone }) {
  const parts = [fresh.length && `${fresh.length} new`, gone.length && `${gone.length} gone`].filter(Boolean);
  return `${parts.join(", ") || "New order"}, show`;
}

/** Whether a list that a person is at would vanish, say because its last row is gone. */
export function losesListInUse(region, next) {
  return listsOf(region).length !== listsOf(next).length && listsOf(region).some(isInUse);
}

/** Changes `next` so that rows of `region` stay where they are, if they must; returns whether to look again later. */
export function keepRows(region, next) {
  const lists = listsOf(region);
  const coming = listsOf(next);
  if (lists.length !== coming.length) return false;
  return lists.map((list, index) => keepList(list, coming[index])).some(Boolean);
}

function keepList(list, next) {
  const holds = list.dataset.rows === "hold";
  const difference = compareRows(rowIds(list), rowIds(next));
  if (!difference.moves || !(holds || isInUse(list))) return false;
  next.replaceChildren(...rowsOf(list).map((row) => stayed(row, next, difference.gone)));
  if (holds) showStrip(next, difference);
  return !holds;
}

// A row that is gone stays, greyed, until the list is shown anew; one that was pushed off the end stays as it is.
function stayed(row, next, gone) {
  const counterpart = rowsOf(next).find((other) => other.id === row.id);
  if (counterpart) return counterpart;
  const copy = next.ownerDocument.importNode(row, true);
  if (gone.includes(row.id)) copy.dataset.gone = "";
  return copy;
}

// The server counts what it holds back; what is gone only the page knows.
function showStrip(next, difference) {
  const told = next.closest("[data-region]")?.querySelector("[data-newer] button");
  if (!told) frameOf(next).before(strip(difference));
  else if (difference.gone.length) told.textContent = told.textContent.replace(", show", `, ${difference.gone.length} gone, show`);
}

function strip(difference) {
  const place = document.createElement("div");
  place.className = "new-rows";
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.showRows = "";
  Object.assign(button.dataset, { key: ".", keyLabel: "Show the new rows" });
  button.textContent = stripText(difference);
  place.append(button);
  return place;
}

function listsOf(region) {
  const lists = [...region.querySelectorAll("[data-rows]")];
  return region.matches("[data-rows]") ? [region, ...lists] : lists;
}

const isInUse = (list) => list.matches(":hover, :focus-within");
const rowsOf = (list) => [...list.children].filter((row) => row.id);
const rowIds = (list) => rowsOf(list).map((row) => row.id);
const frameOf = (list) => list.closest(".table-scroll") ?? list.closest("table") ?? list;

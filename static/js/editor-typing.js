// Typing into a text area by script, and the Tab key as indentation for those who chose it.

import { outdent } from "./editor-text.js";

const CHOSEN = "definition-tab-indents";

/** Types `text` as a person would, so that undo takes it back; an empty one deletes what is selected. */
export function type(area, text) {
  if (document.execCommand(text ? "insertText" : "delete", false, text)) return;
  area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
  area.dispatchEvent(new Event("input", { bubbles: true }));
}

/** While `box` is checked Tab indents in `area`. Escape and then Tab leaves it, as Tab does while the box is not. */
export function startTabKey(area, box) {
  let leaves = false;
  box.checked = remembered() === "yes";
  box.addEventListener("change", () => remember(box.checked ? "yes" : "no"));
  area.addEventListener("focus", () => (leaves = false));
  area.addEventListener("keydown", (event) => {
    if (event.key === "Escape") leaves = true;
    else if (!["Tab", "Shift"].includes(event.key)) leaves = false;
    if (event.key !== "Tab" || !box.checked || leaves || event.ctrlKey || event.altKey || event.metaKey) return;
    event.preventDefault();
    if (event.shiftKey) takeIndent(area);
    else type(area, "  ");
  });
}

function takeIndent(area) {
  const caret = area.selectionStart;
  const [start, end] = outdent(area.value, caret);
  if (end === start) return;
  area.setSelectionRange(start, end);
  type(area, "");
  const place = Math.max(start, caret - (end - start));
  area.setSelectionRange(place, place);
}

function remembered() {
  try {
    return localStorage.getItem(CHOSEN);
  } catch {
    return null;
  }
}

function remember(choice) {
  try {
    localStorage.setItem(CHOSEN, choice);
  } catch {
    // Then it holds for this page.
  }
}

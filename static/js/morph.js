// Puts new content into a region without touching what a person is at: focus, typed text, selection, dialogs, rows pointed at.

import { keepRows, losesListInUse } from "./rows.js";

export const FREE = "free";
export const PART = "part"; // some of it must stay as it is
export const ALL = "all"; // none of it may be touched

const TEXT_CONTROLS = "textarea, select, input:not([type=checkbox], [type=radio], [type=hidden], [type=button], [type=submit])";
const CONTROLS = "textarea, select, input:not([type=hidden], [type=button], [type=submit])";
const KEPT_ATTRIBUTES = new Set(["data-busy", "data-dirty", "aria-busy"]);
const OWN_STATE = "details, dialog, [popover]"; // whether these are open is the person's doing, not the server's

const isOwnState = (name, node) => name === "open" && node.matches(OWN_STATE);
// What htmx morphs by itself leaves that alone too.
if (globalThis.Idiomorph?.defaults) globalThis.Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, node) => !isOwnState(name, node);

/** How much of `region` a person is at. */
export function holdOf(region) {
  if (region.querySelector("dialog[open]") || holdsSelection(region)) return ALL;
  return isAtWork(region) ? PART : FREE;
}

/** Morphs `region` into `next`; returns whether something was left as it was. */
export function morphRegion(region, next, { release = false } = {}) {
  if (!release && losesListInUse(region, next)) return true;
  let skipped = !release && keepRows(region, next);
  globalThis.Idiomorph.morph(region, next, {
    morphStyle: "outerHTML",
    callbacks: {
      beforeNodeMorphed(node, coming) {
        if (!isKept(node)) return true;
        skipped ||= !node.isEqualNode(coming);
        return false;
      },
      beforeNodeRemoved: (node) => !isKept(node),
      beforeAttributeUpdated: (name, node) =>
        !KEPT_ATTRIBUTES.has(name) && !isOwnState(name, node),
    },
  });
  return skipped;
}

/** Whether the person has changed this control since it was rendered. */
export function isChanged(control) {
  if (control.type === "checkbox" || control.type === "radio") return control.checked !== control.defaultChecked;
  if (control.tagName === "SELECT") return !isAsRendered(control);
  return control.value !== control.defaultValue;
}

// A list without a chosen option shows its first.
function isAsRendered(select) {
  const options = [...select.options];
  const rendered = options.some((option) => option.defaultSelected);
  return options.every((option, index) => option.selected === (rendered ? option.defaultSelected : !select.multiple && index === 0));
}

export function hasTypedText(form) {
  return [...form.elements].some((control) => control.matches(TEXT_CONTROLS) && isChanged(control));
}

function isKept(node) {
  if (node.nodeType !== Node.ELEMENT_NODE) return false;
  if (node.matches("[data-keep], dialog[open], .save-state")) return true;
  if (node.matches(CONTROLS)) return node === document.activeElement || isChanged(node);
  if (node.tagName === "FORM") return hasTypedText(node);
  return isRowInUse(node);
}

function isRowInUse(node) {
  return Boolean(node.parentElement?.matches("[data-rows]")) && node.matches(":hover, :focus-within");
}

function isAtWork(region) {
  const focused = document.activeElement;
  if (focused?.matches(CONTROLS) && region.contains(focused)) return true;
  if (region.querySelector("[data-rows]:is(:hover, :focus-within)")) return true;
  return [...region.querySelectorAll(CONTROLS)].some(isChanged);
}

function holdsSelection(region) {
  const selection = document.getSelection();
  return Boolean(selection && !selection.isCollapsed && selection.rangeCount && selection.getRangeAt(0).intersectsNode(region));
}

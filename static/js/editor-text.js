// What the editor of definitions does to a text: pure functions of text and places in it.

const ITEM = /^(\s*)- /;
const NAME = /\bname: *([a-z][a-z0-9_]*)/;

/** Where line `line` (from 1) of `text` begins and ends. */
export function rangeOfLine(text, line) {
  const lines = text.split("\n");
  const before = lines.slice(0, Math.min(line, lines.length) - 1);
  const start = before.reduce((length, one) => length + one.length + 1, 0);
  return [start, start + lines[before.length].length];
}

/** The line (from 1) on which the step `name` begins, or 0. */
export function lineOfStep(text, name) {
  const lines = text.split("\n");
  const found = lines.findIndex((line) => !line.trimStart().startsWith("#") && new RegExp(`\\bname: *["']?${name}["']?\\s*(?:[,}#]|$)`).test(line) && ITEM.test(line));
  return found + 1;
}

/** How `sample`, an entry of `steps`, is put at their end: `{at, text}`, with a name that no step has yet. */
export function placed(text, sample) {
  const lines = text.split("\n");
  const head = lines.findIndex((line) => /^steps:\s*(#.*)?$/.test(line));
  if (head < 0) {
    const inline = lines.some((line) => line.startsWith("steps:"));
    return { at: text.length, text: `${apart(text)}${inline ? "" : "steps:\n"}${indented(renamed(text, sample), "  ")}` };
  }
  const next = lines.findIndex((line, index) => index > head && /^[^\s#-]/.test(line));
  let end = next < 0 ? lines.length : next;
  while (end > head + 1 && !lines[end - 1].trim()) end -= 1;
  while (next > 0 && end > head + 1 && lines[end - 1].startsWith("#")) end -= 1; // belongs to what comes below
  while (end > head + 1 && !lines[end - 1].trim()) end -= 1;
  const indent = ITEM.exec(lines.slice(head + 1, end).find((line) => ITEM.test(line)) ?? "  - ")[1];
  const at = lines.slice(0, end).reduce((length, line) => length + line.length + 1, 0);
  const step = indented(renamed(text, sample), indent);
  const gap = end > head + 1 ? "\n" : "";
  return at > text.length ? { at: text.length, text: `\n${gap}${step}` } : { at, text: `${gap}${step}` };
}

/** `sample` with a number behind its step's name if `text` has a step of that name. */
export function renamed(text, sample) {
  const name = NAME.exec(sample)?.[1];
  if (!name || !lineOfStep(text, name)) return sample;
  let number = 2;
  while (lineOfStep(text, `${name}_${number}`)) number += 1;
  return sample.replaceAll(new RegExp(`(name: |steps\\.)${name}\\b`, "g"), `$1${name}_${number}`);
}

/** How many of the spaces before `place` Shift+Tab takes away from its line: at most two. */
export function outdent(text, place) {
  const start = text.lastIndexOf("\n", place - 1) + 1;
  const spaces = /^ {0,2}/.exec(text.slice(start))[0].length;
  return [start, start + spaces];
}

function indented(text, indent) {
  return text.replaceAll(/^(?=.)/gm, indent);
}

const apart = (text) => (!text || text.endsWith("\n") ? "" : "\n");

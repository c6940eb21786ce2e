// Short messages at the corner. They are spoken, take no focus, and wait while somebody reads them.

const SHOWN_MS = 8000;

/** Shows `text`; `tone` as in Django's messages; `link` {href, text}; `stays` until it is dismissed. */
export function notify(text, { tone = "info", stays = false, link = null } = {}) {
  const place = document.getElementById("toasts");
  if (!place || [...place.children].some((note) => note.dataset.text === text)) return;
  const note = document.createElement("div");
  note.className = "toast-note";
  note.dataset.tone = tone;
  note.dataset.text = text;
  note.append(sentence(text, link), closeButton(note));
  place.append(note);
  if (!stays && tone !== "error") leaveLater(note);
}

/** Messages that came with the page are said once more, because what is there at load is not spoken. */
export function startToasts() {
  const delivered = [...document.querySelectorAll("[data-toast]")];
  for (const note of delivered) note.remove();
  setTimeout(() => delivered.forEach((note) => notify(note.textContent.trim(), { tone: note.dataset.tone })), 100);
}

function sentence(text, link) {
  const words = document.createElement("p");
  words.append(text);
  if (link) {
    const anchor = document.createElement("a");
    anchor.href = link.href;
    anchor.textContent = link.text;
    words.append(" ", anchor);
  }
  return words;
}

function closeButton(note) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "toast-close";
  button.setAttribute("aria-label", "Dismiss");
  button.textContent = "✕";
  button.addEventListener("click", () => note.remove());
  return button;
}

function leaveLater(note) {
  const leave = () => (note.matches(":hover, :focus-within") ? setTimeout(leave, 1000) : note.remove());
  setTimeout(leave, SHOWN_MS);
}

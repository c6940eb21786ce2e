// The left bar: folded to icons on wide screens, a drawer on narrow ones; and menus that close by themselves.

const root = document.documentElement;
const YEAR_S = 60 * 60 * 24 * 365;

export function startNav() {
  document.getElementById("bar-fold")?.addEventListener("click", () => fold(root.dataset.bar !== "folded"));
  document.getElementById("bar-open")?.addEventListener("click", () => drawer(true));
  document.addEventListener("click", closeOutside);
  document.addEventListener("keydown", (event) => event.key === "Escape" && closeByKey());
  showFold(root.dataset.bar === "folded");
}

function fold(folded) {
  if (folded) root.dataset.bar = "folded";
  else delete root.dataset.bar;
  document.cookie = `bar=${folded ? "folded" : ""}; path=/; max-age=${folded ? YEAR_S : 0}; samesite=lax`;
  showFold(folded);
}

function showFold(folded) {
  const button = document.getElementById("bar-fold");
  button?.setAttribute("aria-expanded", String(!folded));
  const words = button?.querySelector(".bar-text");
  if (words) words.textContent = folded ? "Unfold" : "Fold";
}

function drawer(open) {
  if (open) root.dataset.drawer = "open";
  else delete root.dataset.drawer;
  const button = document.getElementById("bar-open");
  button.setAttribute("aria-expanded", String(open));
  if (open) document.querySelector(".bar-room")?.focus();
  else button.focus();
}

function closeOutside(event) {
  for (const menu of document.querySelectorAll("[data-menu][open]")) {
    if (!menu.contains(event.target) || event.target.closest("[data-dialog]")) menu.open = false;
  }
  if (root.dataset.drawer && !event.target.closest("#bar, #bar-open")) drawer(false);
}

function closeByKey() {
  for (const menu of document.querySelectorAll("[data-menu][open]")) {
    menu.open = false;
    menu.querySelector("summary").focus();
  }
  if (root.dataset.drawer) drawer(false);
}

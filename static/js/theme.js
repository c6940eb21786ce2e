// The theme changes at once; the server keeps it, and a cookie does for the sign-in page.

import { prefer } from "./http.js";

const YEAR_S = 60 * 60 * 24 * 365;

export function startTheme() {
  document.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-theme-choice]")) return;
    event.preventDefault();
    choose(event.target, event.submitter.value);
  });
}

function choose(form, theme) {
  document.documentElement.dataset.bsTheme = theme;
  for (const button of form.querySelectorAll("[name=theme]")) {
    button.setAttribute("aria-pressed", String(button.value === theme));
  }
  document.cookie = `theme=${theme}; path=/; max-age=${YEAR_S}; samesite=lax`;
  prefer({ theme });
}

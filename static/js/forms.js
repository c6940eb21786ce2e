// Forms: sent once, guarded while unsaved, checked by the server as a field is left.

import { post } from "./http.js";
import { hasTypedText, isChanged } from "./morph.js";

export function startForms() {
  document.addEventListener("submit", sendOnce);
  document.addEventListener("focusout", (event) => check(event.target));
  addEventListener("beforeunload", guard);
  addEventListener("pageshow", (event) => event.persisted && allowAgain());
  document.querySelector("[data-focus]")?.focus();
}

function sendOnce(event) {
  const form = event.target;
  if (event.defaultPrevented || !form.matches("[data-once], [data-guard]")) return;
  if (form.dataset.busy !== undefined) event.preventDefault();
  form.dataset.busy = "";
}

function allowAgain() {
  for (const form of document.querySelectorAll("[data-busy]")) delete form.dataset.busy;
}

function guard(event) {
  const unsaved = [...document.querySelectorAll("form[data-guard]:not([data-busy])")].some(hasTypedText);
  if (unsaved) event.preventDefault();
}

/** Asks the server about the field that is being left; says nothing about those not yet reached. */
async function check(control) {
  const form = control.form;
  const url = form?.dataset.validateUrl;
  if (!url || !control.name || !isChanged(control)) return;
  const answer = await post(url, new FormData(form), { headers: { "X-Validate": control.name } }).catch((error) => error.answer);
  const field = control.closest("[data-field]")?.dataset.field ?? control.name; // one field may have several controls
  if (answer?.errors) showErrors(control, errorsOf(answer, field));
}

/** The messages about field `name` in an answer of the contract's form. */
export function errorsOf(answer, name) {
  return answer.errors.filter(({ path }) => path === name || path.startsWith(`${name}.`) || path.startsWith(`${name}[`)).map(({ message }) => message);
}

function showErrors(control, messages) {
  const field = control.closest("[data-field]");
  const place = field?.querySelector(".field-error");
  if (!place) return;
  place.textContent = messages.join(" ");
  place.hidden = messages.length === 0;
  field.classList.toggle("field-wrong", messages.length > 0);
  describe(control, place.id, messages.length > 0);
}

function describe(control, id, wrong) {
  const others = (control.getAttribute("aria-describedby") ?? "").split(" ").filter((other) => other && other !== id);
  const ids = wrong ? [...others, id] : others;
  if (ids.length) control.setAttribute("aria-describedby", ids.join(" "));
  else control.removeAttribute("aria-describedby");
  if (wrong) control.setAttribute("aria-invalid", "true");
  else control.removeAttribute("aria-invalid");
}

// Dialogs open from buttons, and give the focus back to where it was.

export function startDialogs() {
  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog]");
    if (opener) open(document.getElementById(opener.dataset.dialog), opener);
    else if (event.target.closest("[data-dialog-close]")) event.target.closest("dialog")?.close();
    else if (event.target.matches("dialog:modal")) closeFromBackdrop(event);
  });
  for (const dialog of document.querySelectorAll("dialog[data-open]")) open(dialog, null);
}

function open(dialog, opener) {
  if (!dialog || dialog.open) return;
  dialog.addEventListener("close", () => giveFocusBack(dialog, opener), { once: true });
  dialog.showModal();
  dialog.querySelector("textarea, input:not([type=hidden]), select")?.focus();
}

// The opener may have been replaced by an update meanwhile. A light dialog is opened by a key from anywhere: there the
// browser gives the focus back to.
function giveFocusBack(dialog, opener) {
  if (dialog.matches("[data-light]") && document.activeElement !== document.body) return;
  const again = opener?.isConnected ? opener : document.querySelector(`[data-dialog="${opener?.dataset.dialog}"]`);
  const visible = again?.checkVisibility() ? again : again?.closest("[data-menu]")?.querySelector("summary");
  (visible ?? document.getElementById("main")).focus();
}

// A click beside the dialog closes it, unless something was typed there.
function closeFromBackdrop(event) {
  const dialog = event.target;
  const box = dialog.getBoundingClientRect();
  const beside = event.clientX < box.left || event.clientX > box.right || event.clientY < box.top || event.clientY > box.bottom;
  const typed = [...dialog.querySelectorAll("textarea, input")].some((control) => control.value !== control.defaultValue);
  if (beside && (!typed || dialog.matches("[data-light]"))) dialog.close();
}

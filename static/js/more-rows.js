// Rows of like fields, of which there is always one more to fill (data-more-rows: how many at most).

export function startMoreRows() {
  document.addEventListener("input", (event) => {
    const list = event.target.closest("[data-more-rows]");
    if (list && list.lastElementChild.contains(event.target)) addRow(list);
  });
}

function addRow(list) {
  const number = list.children.length;
  if (number >= Number(list.dataset.moreRows)) return;
  const row = list.lastElementChild.cloneNode(true);
  for (const control of row.querySelectorAll("input, select")) {
    control.id = control.id.replace(/_\d+_/, `_${number}_`);
    control.ariaLabel = control.ariaLabel.replace(/\d+$/, number + 1);
    if (control.matches("select")) control.selectedIndex = 0;
    else control.value = "";
  }
  list.append(row);
}

// One row of the list of instances on the screen. Texts from outside are only ever set through textContent.

/** @typedef {import("./list_rows.js").Row} Row */

/** What a row can be marked as, by the action that does it: while it is not so, and while it is. */
const MARKS = {
  "hide-instances": { on: "isHidden", names: ["Hide", "Show"] },
  "lock-instances": { on: "isLocked", names: ["Lock", "Unlock"] },
};

/** @param {Row} row */
export function areaCell({ area }) {
  return area === null ? "…" : `${Math.round(area).toLocaleString("en")} px²`;
}

/**
 * @param {HTMLTemplateElement} template
 * @param {number} id
 * @returns {HTMLElement}
 */
export function makeRow(template, id) {
  const copy = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
  const element = /** @type {HTMLElement} */ (copy.firstElementChild);
  element.dataset.instance = String(id);
  element.id = rowId(id);
  return element;
}

/** What the grid calls a row by. @param {number} id */
export function rowId(id) {
  return `instance-row-${id}`;
}

/**
 * Bring a row up to date; one that stays as it is costs a comparison.
 * @param {HTMLElement} element
 * @param {Row} row
 * @param {{place: number, top: number, isActive: boolean}} where from 0; in CSS pixels
 */
export function showRow(element, row, { place, top, isActive }) {
  const said = JSON.stringify([row, place, isActive]);
  if (element.dataset.said === said) return;
  element.dataset.said = said;
  element.style.transform = `translateY(${top}px)`;
  element.setAttribute("aria-rowindex", String(place + 2)); // after the columns' heads
  element.setAttribute("aria-selected", String(row.isSelected));
  element.classList.toggle("active", isActive);
  element.classList.toggle("is-hidden", row.isHidden);
  element.classList.toggle("is-locked", row.isLocked);
  const part = (/** @type {string} */ name) => /** @type {HTMLElement} */ (element.querySelector(`.list-${name}`));
  /** @type {HTMLElement} */ (element.querySelector(".dot")).style.setProperty("--dot", row.color);
  part("name").textContent = row.isCrowd ? `${row.category} · crowd` : row.category;
  part("score").textContent = row.score === null ? "" : row.score.toFixed(2);
  part("area").textContent = areaCell(row);
  part("status").textContent = row.status;
  part("status").dataset.status = row.status;
  part("source").textContent = row.source;
  const states = [row.isHidden ? "hidden" : "", row.isLocked ? "locked: neither picked nor changed" : ""];
  element.title = [row.category, row.source, row.status, ...states].filter(Boolean).join(" · ");
  for (const [name, { on, names }] of Object.entries(MARKS)) {
    const button = /** @type {HTMLElement} */ (element.querySelector(`[data-mark="${name}"]`));
    const isOn = row[/** @type {"isHidden" | "isLocked"} */ (on)];
    button.setAttribute("aria-pressed", String(isOn));
    button.setAttribute("aria-label", `${names[Number(isOn)]} this ${row.category}`);
    button.title = names[Number(isOn)];
  }
}

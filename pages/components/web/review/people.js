// Who else is in the project: their initials on the line below the picture, whose height nothing changes.

/** @typedef {import("./heard_state.js").Person} Person */

/** More than these are a number. */
const SHOWN = 4;

/** The first letters of a name's first and last words. @param {string} name */
export function initialsOf(name) {
  const words = name.trim().split(/\s+/u);
  const ends = words.length > 1 ? [words[0], words[words.length - 1]] : words;
  return ends
    .map((word) => [...word][0] ?? "")
    .join("")
    .toUpperCase();
}

/** What is told of people, for a tip and for who cannot see. @param {Person} person */
export function tellPerson({ name, is_here }) {
  return is_here ? `${name} is here, on this image` : `${name} is in this project`;
}

/**
 * @param {HTMLElement} place
 * @param {Person[]} people those who are here first
 */
export function showPeople(place, people) {
  const shown = JSON.stringify(people);
  if (place.dataset.shown === shown) return;
  place.dataset.shown = shown;
  const rest = people.slice(SHOWN);
  place.replaceChildren(
    ...people.slice(0, SHOWN).map((one) => made(initialsOf(one.name), tellPerson(one), one.is_here)),
    ...(rest.length === 0 ? [] : [made(`+${rest.length}`, rest.map(tellPerson).join("\n"), false)]),
  );
}

/** @param {string} text @param {string} told @param {boolean} isHere */
function made(text, told, isHere) {
  const chip = document.createElement("span");
  chip.className = "person";
  chip.setAttribute("role", "listitem");
  chip.setAttribute("aria-label", told);
  chip.dataset.here = String(isHere);
  chip.title = told;
  chip.textContent = text;
  return chip;
}

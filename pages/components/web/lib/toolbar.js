// One stop for Tab among many buttons: arrows, Home and End go through them (the toolbar pattern of WAI-ARIA).

const STEPS = /** @type {Record<string, 1 | -1>} */ ({ ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1 });

/**
 * The place that a key leads to among `count` places; null if it leads nowhere.
 * @param {string} key
 * @param {number} at
 * @param {number} count
 */
export function placeAfter(key, at, count) {
  if (count === 0) return null;
  if (key === "Home") return 0;
  if (key === "End") return count - 1;
  const step = STEPS[key];
  return step === undefined ? null : (at + step + count) % count;
}

/**
 * @param {HTMLElement} toolbar
 * @param {AbortSignal} signal
 */
export function makeOneStop(toolbar, signal) {
  const buttons = () => [...toolbar.querySelectorAll("button")];
  /** @param {HTMLButtonElement} chosen */
  const choose = (chosen) => {
    for (const button of buttons()) button.tabIndex = button === chosen ? 0 : -1;
  };
  const [first] = buttons();
  if (first !== undefined) choose(first);
  toolbar.addEventListener(
    "keydown",
    (event) => {
      const all = buttons();
      const place = placeAfter(
        event.key,
        all.findIndex((button) => button === event.target),
        all.length,
      );
      if (place === null || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      event.stopPropagation(); // arrows go through instances elsewhere
      choose(all[place]);
      all[place].focus();
    },
    { signal },
  );
  toolbar.addEventListener("focusin", ({ target }) => target instanceof HTMLButtonElement && choose(target), {
    signal,
  });
}

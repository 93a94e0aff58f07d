// What somebody waits for. All that need not be said at once waits until it is there: on a slow line the
// answer would come beside them.

/** Where the tab notes them: each component has modules of its own. */
const AWAITED = Symbol.for("maskdesk.awaited-pictures");

/** @returns {Set<object>} */
function awaited() {
  const tab = /** @type {{[AWAITED]?: Set<object>}} */ (globalThis);
  return (tab[AWAITED] ??= new Set());
}

/**
 * @param {object} picture
 * @param {boolean} isAwaited whether it is shown as soon as it is there
 */
export function setAwaited(picture, isAwaited) {
  if (isAwaited) awaited().add(picture);
  else awaited().delete(picture);
}

export function isPictureAwaited() {
  return awaited().size > 0;
}

/** Whether a component's page has come and its scripts have not: with them comes what it shows. */
export function isComponentAwaited() {
  const hosts = document.querySelectorAll('[data-testid="stBidiComponentIsolated"]');
  return [...hosts].some((host) => host.shadowRoot?.querySelector("[data-packed]"));
}

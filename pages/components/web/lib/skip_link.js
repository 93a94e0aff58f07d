// The first stop of Tab on a page with a picture: a link that leads past header and sidebar to the picture.

/** On the link, for the page's style (`pages/shared/screen.css`) and for the next one that is added. */
const NAME = "maskdesk-skip";

/**
 * Put the link before all else on the page; it is gone with the signal.
 * @param {HTMLElement} stage what it leads to
 * @param {AbortSignal} signal
 */
export function addSkipLink(stage, signal) {
  document.getElementById(NAME)?.remove();
  const link = document.createElement("a");
  link.id = NAME;
  link.href = "#";
  link.textContent = "To the picture";
  const go = (/** @type {Event} */ event) => {
    event.preventDefault();
    stage.focus();
  };
  link.addEventListener("click", go, { signal });
  document.body.prepend(link);
  signal.addEventListener("abort", () => link.remove());
}

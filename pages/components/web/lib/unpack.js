// A component's page that comes compressed.
//
// Streamlit sends the page and the styles of a component with every message to it, as they are. Those of the large
// components are compressed in Python, once, and stand here in place of the page.

/** @template T @typedef {import("./mount.js").Component<T>} Component */

/** Pages on their way, by the element that they stand in. @type {WeakMap<Element, Promise<void>>} */
const unpacking = new WeakMap();

/**
 * A component's default export: mounts it once its page is there.
 * @template T
 * @template R
 * @param {(component: Component<T>) => R} mount
 * @returns {(component: Component<T>) => R | Promise<R>}
 */
export function unpacked(mount) {
  /** @param {Component<T>} component @returns {R | Promise<R>} */
  const mountUnpacked = (component) => {
    const packed = component.parentElement.querySelector("[data-packed]");
    if (packed === null) return mount(component);
    const isThere = unpacking.get(packed) ?? unpack(packed);
    unpacking.set(packed, isThere);
    return isThere.then(() => mountUnpacked(component)); // Streamlit may have put another page there by then
  };
  return mountUnpacked;
}

/** @param {Element} packed */
async function unpack(packed) {
  const bytes = Uint8Array.from(atob(packed.textContent ?? ""), (one) => one.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  const page = await new Response(stream).text();
  packed.replaceWith(document.createRange().createContextualFragment(page));
}

// The viewer as a component. Streamlit calls the default export again, with the same parent element, whenever
// the data changes; zoom, position and what is not yet acknowledged survive that.

import { Viewer } from "./viewer.js";

/** @typedef {import("./state.js").Message} Message */

/** @typedef {import("./state.js").Model} Model */

/** @type {WeakMap<object, Viewer>} */
const viewers = new WeakMap();

/**
 * What the last one showed when its page was left; the script outlives it.
 * @type {Model | null}
 */
let left = null;

/**
 * @param {{parentElement: ParentNode, data: Message, setStateValue: (name: string, value: unknown) => void}} component
 */
export default function mountViewer(component) {
  const { parentElement, data, setStateValue } = component;
  const root = parentElement.querySelector('[data-part="root"]');
  if (!(root instanceof HTMLElement)) throw new TypeError("viewer.html is missing");
  let viewer = viewers.get(parentElement);
  if (viewer === undefined || viewer.root !== root) {
    viewer?.destroy();
    viewer = new Viewer(root);
    viewer.left = left;
    viewers.set(parentElement, viewer);
  }
  viewer.accept(data, (report) => setStateValue("view", report));
  const mounted = viewer;
  return () => {
    if (root.isConnected) return;
    left = mounted.model;
    mounted.destroy();
    viewers.delete(parentElement);
  };
}

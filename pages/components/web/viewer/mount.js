// The viewer as a component. Zoom, position and what is not yet acknowledged survive new data.

import { mountScreen } from "../lib/mount.js";
import { unpacked } from "../lib/unpack.js";
import { Viewer } from "./viewer.js";

/** @typedef {import("./state.js").Message} Message */
/** @typedef {import("./state.js").Model} Model */

/**
 * What the last one showed when its page was left; the script outlives it.
 * @type {Model | null}
 */
let left = null;

/** @param {HTMLElement} root */
function makeViewer(root) {
  const viewer = new Viewer(root);
  viewer.left = left;
  return viewer;
}

/** @param {import("../lib/mount.js").Component<Message>} component */
function mountViewer({ parentElement, data, setStateValue }) {
  const { screen, leave } = mountScreen(parentElement, "root", makeViewer, ({ model }) => (left = model));
  screen.accept(data, (report) => setStateValue("view", report));
  return leave;
}

export default unpacked(mountViewer);

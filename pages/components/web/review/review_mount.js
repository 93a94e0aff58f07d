// The reviewer as a component.

import { mountScreen } from "../lib/mount.js";
import { unpacked } from "../lib/unpack.js";
import { Reviewer } from "./reviewer.js";

/** @typedef {import("./review_state.js").ReviewMessage} ReviewMessage */

/** @param {import("../lib/mount.js").Component<ReviewMessage>} component */
function mountReviewer({ parentElement, data, setStateValue }) {
  const { screen, leave } = mountScreen(parentElement, "root", (root) => new Reviewer(root));
  screen.accept(data, setStateValue);
  return leave;
}

export default unpacked(mountReviewer);

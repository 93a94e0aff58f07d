// The reviewer as a component: Streamlit calls the default export again, with the same parent element, whenever
// the data changes.

import { Reviewer } from "./reviewer.js";

/** @typedef {import("./review_state.js").ReviewMessage} ReviewMessage */

/** @type {WeakMap<object, Reviewer>} */
const reviewers = new WeakMap();

/**
 * @param {{parentElement: ParentNode, data: ReviewMessage, setStateValue: (name: string, value: unknown) => void}} component
 */
export default function mountReviewer(component) {
  const { parentElement, data, setStateValue } = component;
  const root = parentElement.querySelector('[data-part="root"]');
  if (!(root instanceof HTMLElement)) throw new TypeError("viewer.html is missing");
  let reviewer = reviewers.get(parentElement);
  if (reviewer === undefined || reviewer.root !== root) {
    reviewer?.destroy();
    reviewer = new Reviewer(root);
    reviewers.set(parentElement, reviewer);
  }
  reviewer.accept(data, setStateValue);
  const mounted = reviewer;
  return () => {
    if (root.isConnected) return;
    mounted.destroy();
    reviewers.delete(parentElement);
  };
}

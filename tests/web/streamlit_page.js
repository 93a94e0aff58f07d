// As much of Streamlit's page as the scripts need which look whether it is at rest.

globalThis.Element ??= class Element {};

/** A part of the page: of Streamlit's own, or inside a component of ours. */
export class Part extends globalThis.Element {
  /** @param {{isOurs?: boolean, selector?: string}} [options] the selector that it answers to */
  constructor({ isOurs = false, selector = "" } = {}) {
    super();
    this.isOurs = isOurs;
    this.selector = selector;
  }

  hasAttribute(name) {
    return this.isOurs && name === "data-part";
  }

  closest(selectors) {
    return selectors.split(", ").includes(this.selector) ? this : null;
  }
}

let state = "notRunning";
const observers = new Set();

globalThis.MutationObserver = class {
  constructor(tell) {
    this.tell = tell;
  }

  observe() {
    observers.add(this);
  }

  disconnect() {
    observers.delete(this);
  }
};

export const observed = () => observers.size;

/** Says what Streamlit's script does. */
export function setScript(next) {
  const oldValue = state;
  state = next;
  for (const observer of observers) observer.tell([{ oldValue }]);
}

export function makeDocument() {
  const document = new EventTarget();
  document.documentElement = { dataset: {} };
  document.querySelectorAll = () => [];
  document.querySelector = () => ({ getAttribute: () => state });
  return document;
}

/** An event as the document hears of it that happened to a part of the page. */
export function eventOf(name, part, values = {}) {
  const event = Object.assign(new Event(name), values);
  event.composedPath = () => [part, globalThis.document];
  return event;
}

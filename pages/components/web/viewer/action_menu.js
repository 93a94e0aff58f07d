// The menu of what can be done to the selected instances, or to the picture: rows of the table of actions, with their keys.

import { ACTIONS, keysOf, shortKey } from "../lib/actions.js";

/** @typedef {import("../lib/actions.js").Action} Action */

/** Between the menu and the window's border, in CSS pixels. */
const MARGIN = 8;

export class ActionMenu {
  /**
   * @param {HTMLElement} root
   * @param {AbortSignal} signal
   */
  constructor(root, signal) {
    this.root = root;
    this.signal = signal;
    /** @type {Action["part"][]} whose actions it has, in this order */
    this.parts = ["viewer"];
    /** @type {(name: string) => void} */
    this.act = () => {};
    /** @type {HTMLElement | null} */
    this.menu = null;
    /** @type {HTMLElement | null} what had the focus */
    this.from = null;
    document.addEventListener("pointerdown", (event) => this.closeOutside(event), { signal, capture: true });
    window.addEventListener("resize", () => this.close(false), { signal });
    signal.addEventListener("abort", () => this.close(false));
  }

  /**
   * @param {"instances" | "picture"} about
   * @param {number} x in the window, in CSS pixels
   * @param {number} y
   * @param {HTMLElement} from gets the focus back
   */
  open(about, x, y, from) {
    this.close(false);
    const actions = this.parts.flatMap((part) => ACTIONS.filter((one) => one.part === part && one.menu === about));
    if (actions.length === 0) return;
    const menu = document.createElement("div");
    menu.className = "action-menu";
    menu.dataset.part = "action-menu";
    menu.setAttribute("role", "menu");
    menu.setAttribute("aria-label", about === "instances" ? "What can be done to the selected" : "Picture");
    menu.popover = "manual"; // over everything, also where the desk has the whole screen
    let last = actions[0].part;
    for (const action of actions) {
      if (action.part !== last) menu.append(document.createElement("hr"));
      last = action.part;
      menu.append(makeItem(action));
    }
    menu.addEventListener("click", (event) => this.click(event));
    menu.addEventListener("keydown", (event) => this.press(event));
    menu.addEventListener("contextmenu", (event) => event.preventDefault());
    menu.addEventListener("focusout", (event) => {
      if (event.relatedTarget instanceof Node && !menu.contains(event.relatedTarget)) this.close(false);
    });
    this.root.append(menu);
    menu.showPopover();
    const { width, height } = menu.getBoundingClientRect();
    menu.style.left = `${Math.max(MARGIN, Math.min(x, window.innerWidth - width - MARGIN))}px`;
    menu.style.top = `${Math.max(MARGIN, Math.min(y, window.innerHeight - height - MARGIN))}px`;
    this.menu = menu;
    this.from = from;
    this.items[0]?.focus();
  }

  get items() {
    return /** @type {HTMLElement[]} */ ([...(this.menu?.querySelectorAll("[role=menuitem]") ?? [])]);
  }

  /** @param {boolean} givesBack whether the focus goes back where it was */
  close(givesBack) {
    const { menu } = this;
    if (menu === null) return;
    this.menu = null;
    menu.remove();
    if (givesBack) this.from?.focus({ preventScroll: true });
  }

  /** @param {PointerEvent} event */
  closeOutside(event) {
    if (this.menu !== null && !event.composedPath().includes(this.menu)) this.close(false);
  }

  /** @param {Event} event */
  click(event) {
    const item = event.target instanceof Element ? event.target.closest("[role=menuitem]") : null;
    if (!(item instanceof HTMLElement)) return;
    this.close(true);
    this.act(item.dataset.action ?? "");
  }

  /** @param {KeyboardEvent} event */
  press(event) {
    event.stopPropagation();
    const { items } = this;
    const at = items.findIndex((item) => item.matches(":focus"));
    /** @type {Record<string, number>} */
    const places = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: items.length - 1 };
    if (Object.hasOwn(places, event.key)) items[(places[event.key] + items.length) % items.length].focus();
    else if (event.key === "Escape" || event.key === "Tab") this.close(true);
    else if (event.key === "Enter" || event.key === " ") items[at]?.click();
    else return;
    event.preventDefault();
  }
}

/** @param {Action} action */
function makeItem(action) {
  const item = document.createElement("button");
  item.type = "button";
  item.tabIndex = -1;
  item.setAttribute("role", "menuitem");
  item.dataset.action = action.name;
  const name = document.createElement("span");
  name.textContent = action.label ?? action.name;
  const key = document.createElement("kbd");
  key.textContent = shortKey(keysOf(action)[0] ?? "");
  item.append(name, key);
  return item;
}

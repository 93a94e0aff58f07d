// Comments: pins at their places or instances in the picture, and the form for a new one. Texts are only ever set as text.

/** @typedef {import("./reviewer.js").Reviewer} Reviewer */
/**
 * A comment at its place, in pixels of the image, and at the instance that it is about as long as that is there.
 * @typedef {{id: number, x: number, y: number, text: string, instance?: number | null}} Pin
 */

/** What a form is for: the words on it, and what becomes of what was written. */
const PURPOSES = {
  comment: { label: "Comment", asks: "What should others look at?", send: "Pin it", told: "comment pinned" },
  return: { label: "What is to be done", asks: "What is to be done?", send: "Return it", told: "returned" },
};
/** @typedef {keyof typeof PURPOSES} Purpose */

/** As in Python. */
const MOST_OF_A_COMMENT = 2000;
/** What happens in the form is no gesture in the picture. */
const GESTURES = ["pointerdown", "pointermove", "pointerup", "dblclick", "click", "wheel", "contextmenu", "keydown"];

export class Comments {
  /** @param {Reviewer} reviewer */
  constructor(reviewer) {
    this.reviewer = reviewer;
    this.stage = reviewer.viewer.controls.stage;
    this.layer = document.createElement("div");
    this.layer.className = "pins";
    this.layer.dataset.part = "pins";
    this.stage.append(this.layer);
    /** @type {HTMLFormElement | null} */
    this.form = null;
    /** @type {import("./review_state.js").About | null} what the form is about */
    this.about = null;
    /** @type {Purpose} */
    this.purpose = "comment";
    this.shown = "";
  }

  /** The open comments of the shown image, and those that Python does not know of yet. @returns {Pin[]} */
  pins() {
    const { frame, pending } = this.reviewer.state;
    if (frame === null) return [];
    const own = pending.filter(({ op }) => Object.hasOwn(PURPOSES, op.kind) && op.image_id === frame.image_id);
    const waiting = own.map(({ op }) => ({
      id: -op.seq,
      x: Number(op.x),
      y: Number(op.y),
      text: String(op.text),
    }));
    return [...(frame.pins ?? []), ...waiting];
  }

  /** Bring the pins up to date. */
  show() {
    const pins = this.pins();
    const shown = JSON.stringify([this.reviewer.state.frame?.image_id, pins]);
    if (shown === this.shown) return;
    this.shown = shown;
    this.layer.replaceChildren(...pins.map((pin) => this.made(pin)));
    this.reviewer.root.dataset.comments = String(pins.length);
    this.paint();
  }

  /** @param {Pin} pin */
  made(pin) {
    const pinned = document.createElement("button");
    pinned.type = "button";
    pinned.className = "pin";
    pinned.textContent = pin.id > 0 ? String(pin.id) : "…";
    pinned.title = pin.text;
    pinned.setAttribute("aria-label", `Comment: ${pin.text}`);
    pinned.addEventListener("pointerdown", (event) => event.stopPropagation());
    pinned.addEventListener("click", (event) => {
      event.stopPropagation();
      this.reviewer.bar.say(pin.text);
    });
    return pinned;
  }

  /** Put the pins where their places are now. */
  paint() {
    const { scale, x, y } = this.reviewer.viewer.view;
    const pins = this.pins();
    [...this.layer.children].forEach((element, n) => {
      if (element instanceof HTMLElement && n < pins.length) {
        const place = this.middleOf(pins[n].instance) ?? pins[n];
        element.style.transform = `translate(${x + place.x * scale}px, ${y + place.y * scale}px)`;
      }
    });
  }

  /** The middle of an instance, as it is now. @param {number | null} [id] @returns {{x: number, y: number} | null} */
  middleOf(id) {
    const box = id === undefined || id === null ? undefined : this.reviewer.viewer.model?.byId.get(id)?.box;
    return box === undefined ? null : { x: (box[0] + box[2]) / 2, y: (box[1] + box[3]) / 2 };
  }

  /** What a new comment is about: the selected instance, or else the middle of what is seen. */
  place() {
    const { viewer } = this.reviewer;
    const [instance] = this.reviewer.selectedIds();
    const middle = this.middleOf(instance);
    if (middle !== null) return { ...middle, instance };
    const { scale, x, y } = viewer.view;
    const image = viewer.model?.image ?? { width: 0, height: 0 };
    const within = (/** @type {number} */ value, /** @type {number} */ most) => Math.min(Math.max(value, 0), most);
    return {
      x: within((viewer.stage.width / 2 - x) / scale, image.width),
      y: within((viewer.stage.height / 2 - y) / scale, image.height),
    };
  }

  /** Open the form for a new comment. @param {Purpose} purpose */
  open(purpose) {
    const { frame, loading } = this.reviewer.state;
    if (frame === null || loading) return;
    this.close();
    const words = PURPOSES[purpose];
    this.purpose = purpose;
    this.about = { ...this.place(), image_id: frame.image_id };
    const form = document.createElement("form");
    form.className = "comment-form";
    form.dataset.part = "comment-form";
    const text = document.createElement("textarea");
    text.maxLength = MOST_OF_A_COMMENT;
    text.rows = 3;
    text.setAttribute("aria-label", words.label);
    text.placeholder = words.asks;
    form.append(text, button("submit", words.send, "Ctrl+Enter"), button("button", "Cancel", "Esc"));
    for (const kind of GESTURES) form.addEventListener(kind, (event) => event.stopPropagation());
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.pin(text.value);
    });
    form.lastElementChild?.addEventListener("click", () => this.close());
    form.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.pin(text.value);
    });
    this.form = form;
    this.stage.append(form);
    text.focus();
  }

  /** Pin what was written, on the image that it was written about. @param {string} written */
  pin(written) {
    const text = written.trim();
    const { about } = this;
    if (text === "" || about === null) {
      this.reviewer.bar.say("write something first");
      return;
    }
    const { purpose, reviewer } = this;
    this.close();
    if (purpose === "return") reviewer.state.returnImage(about, text);
    else reviewer.state.comment(about, text);
    reviewer.changed(true);
    reviewer.bar.say(PURPOSES[purpose].told);
  }

  close() {
    const hadFocus = this.form?.matches(":focus-within") === true;
    this.form?.remove();
    this.form = null;
    this.about = null;
    if (hadFocus) this.stage.focus();
  }
}

/** @param {"submit" | "button"} type @param {string} label @param {string} key */
function button(type, label, key) {
  const made = document.createElement("button");
  made.type = type;
  made.className = "act";
  made.textContent = label;
  made.title = `${label} (${key})`;
  return made;
}

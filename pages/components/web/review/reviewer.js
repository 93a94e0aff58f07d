// The reviewer: what holds the viewer, the review bar, the editor, the state and its way to Python together.

import { actionFor, actionNamed, plainKey } from "../lib/actions.js";
import { Leaving } from "../lib/leaving.js";
import { makeOneStop } from "../lib/toolbar.js";
import { renameInstances } from "../viewer/marking.js";
import { VIEWER_ACTS, VIEWER_KEYS } from "../viewer/keys.js";
import { openPictureMenu } from "../viewer/menu_places.js";
import { pickableInstances, shownInstances } from "../viewer/state.js";
import { Viewer } from "../viewer/viewer.js";
import { AttributesPanel } from "./attributes_panel.js";
import { CategoryDesk } from "./category_desk.js";
import { hotKeyOf } from "./category_choice.js";
import { Comments } from "./comments.js";
import { DECISIONS, chooseDrawn, drawBox } from "./decisions.js";
import { Editor } from "./editor.js";
import { LookAhead } from "./look_ahead.js";
import { RefusalList, RefusalPanel } from "./refusals.js";
import { ReviewBar } from "./review_bar.js";
import { nextUndecided } from "./review_frames.js";
import { Slips, WORKS_FROM_THE_PAGE, deedOf, hasOpenDialog, isRepeatable, isTakenBy } from "./review_keys.js";
import { showPeople } from "./people.js";
import { lookOf } from "./review_look.js";
import { claimClient, heldName, holdName, loadSaved } from "./review_session.js";
import { ReviewState } from "./review_state.js";
import { showSecondLook } from "./second_look.js";
import { Sending } from "./sending.js";
import { tellHere } from "./taken.js";

/** @typedef {import("./review_state.js").ReviewMessage} ReviewMessage */
/** @typedef {import("../viewer/state.js").Message} ViewerMessage */
/** @typedef {import("../viewer/state.js").Model} Model */

const LOADING = "Loading…";
/** Marks for measurements; a page that is open for days must not gather them. */
const MARKS_KEPT = 500;

export class Reviewer {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.viewer = new Viewer(root);
    this.viewer.onShown = () => this.showBar();
    this.viewer.onPaint = () => this.painted();
    this.viewer.menu.parts = ["decide", "edit", "viewer"];
    this.viewer.menu.act = (name) => this.actAnywhere(name);
    this.bar = new ReviewBar(this.viewer.controls);
    this.state = new ReviewState(loadSaved(sessionStorage));
    this.state.call(heldName());
    this.refusals = new RefusalPanel(this.viewer.controls, new RefusalList(sessionStorage, this.state.client));
    /** The place whose frame the viewer has. */
    this.placed = "";
    /** @type {string} image whose first drawing is still to be marked */
    this.awaited = "";
    this.marks = 0;
    this.cameByTab = false;
    /** Of whom it was last said that they are here. */
    this.hereTold = "";
    this.slips = new Slips();
    this.leaving = new AbortController();
    this.sending = new Sending(this.state, new Leaving(this.leaving.signal, () => this.sending.flush(true)));
    makeOneStop(this.viewer.controls.part("palette", HTMLElement), this.leaving.signal);
    this.clock = window.setInterval(() => this.sending.tick() && this.showBar(), 500);
    this.viewer.quiet = () => (this.sending.isSilent() ? 500 : 0);
    this.ahead = new LookAhead(this.viewer);
    this.editor = new Editor(
      {
        viewer: this.viewer,
        state: this.state,
        selectedIds: () => this.selectedIds(),
        shownIds: () => this.shownIds(),
        seenIds: () => this.seenIds(),
        say: (text) => this.bar.say(text),
        changed: (hasChanged) => this.changed(hasChanged),
        drawBox: (box) => this.drawBox(box),
        drawNew: (what, mask, polygons) => this.categories.draw(what, mask, polygons),
        paintWaiting: (context) => this.categories.paint(context),
      },
      this.leaving.signal,
    );
    /** @type {Map<number, string>} operations by which a box was drawn, not answered yet, and the category that was chosen */
    this.drawnBoxes = new Map();
    this.categories = new CategoryDesk(this, this.leaving.signal);
    this.viewer.list.onRename = () => this.categories.pick();
    this.comments = new Comments(this);
    this.attributes = new AttributesPanel(this, this.leaving.signal);
    this.listen();
    void this.claimName();
  }

  async claimName() {
    const client = await claimClient(this.state.client);
    if (client !== this.state.client) {
      this.state.rename(client);
      this.refusals.list.open(client);
      if (this.state.message !== null) this.show();
    }
    this.sending.begin();
  }

  // ---- Python's word ----

  /**
   * @param {ReviewMessage} data
   * @param {(name: string, value: unknown) => void} setStateValue
   */
  accept(data, setStateValue) {
    this.sending.connect(setStateValue);
    const waiting = this.state.pending.length;
    /** @type {import("./review_state.js").Refusal[]} */
    let refusals;
    try {
      refusals = this.state.accept(data);
    } catch (error) {
      this.viewer.controls.showNotice(`The reviewer cannot read this page’s data (${String(error)}). Reload the page.`);
      return;
    }
    this.categories.choice.open(data.project_id);
    if (data.who) holdName(data.who);
    const hasNamed = this.state.call(heldName());
    const hasProgress = this.state.pending.length < waiting;
    this.sending.hear({ hasNamed, hasProgress, isAway: data.is_away === true });
    // A box whose category nobody has said is not lost: it waits until somebody does.
    const nameless = refusals.filter(({ needs, op }) => needs === "category" && op?.kind === "draw_box");
    const rest = refusals.filter((refusal) => !nameless.includes(refusal));
    const fresh = this.refusals.list.add(data.project_id, rest);
    if (fresh.length > 0) this.bar.say(`not carried out: ${fresh[fresh.length - 1].text}`);
    this.show();
    for (const { op } of nameless) if (op !== undefined) this.categories.askAgain(op);
    const remark = this.state.takeRemark();
    if (remark !== "") this.bar.say(remark);
    this.tellHere(data);
    this.sending.flush();
  }

  /** Say who else has this image open, when they come or one goes to them. @param {ReviewMessage} data */
  tellHere({ here: named = [], queue }) {
    const here = this.state.at === queue.at ? named : []; // of a place that was left meanwhile nobody asks
    const told = here.length === 0 ? "" : `${queue.token} ${queue.at} ${here.join("\n")}`;
    if (told !== "" && told !== this.hereTold) this.bar.say(tellHere(here));
    this.hereTold = told;
    this.root.dataset.here = here.join(", ");
  }

  // ---- what is shown ----

  /** Give the viewer the frame of the present place. */
  show() {
    const { state, viewer } = this;
    const { frame } = state;
    if (frame === null) {
      viewer.controls.showNotice(
        state.length === 0 ? "Nothing to review in this queue: choose another one in the sidebar." : "Loading…",
      );
      this.showBar();
      return;
    }
    const place = `${state.token} ${frame.at}`;
    const arrived = place !== this.placed;
    const before = viewer.model;
    const renamed = state.takeRenamed();
    if (renamed.size > 0) this.editor.rename(renamed);
    renameInstances(viewer, renamed);
    const newImage = before?.image.key !== frame.message.image.key;
    if (newImage || arrived) this.awaited = frame.message.image.key;
    viewer.accept(this.messageFor(before, newImage), (report) => this.sending.setStateValue("view", report));
    if (before !== null && newImage) this.carryChoices(before);
    if (arrived) this.arrive(place);
    chooseDrawn(this);
    this.comments.show();
    this.showBar();
    this.ahead.look(state);
  }

  /**
   * The frame's message with what people chose: that is kept from frame to frame, whatever Python knew of it
   * when it sent the frame.
   * @param {Model | null} before
   * @param {boolean} newImage
   * @returns {ViewerMessage}
   */
  messageFor(before, newImage) {
    const { frame, message } = this.state;
    if (frame === null || message === null) throw new RangeError("no frame");
    const instances = lookOf(frame, this.state.categories);
    const data = { ...frame.message, instances, selected: /** @type {number[]} */ ([]) };
    if (before === null) return data;
    if (!newImage) data.selected = [...before.selected].filter((id) => frame.states.has(id));
    if (before.touched || before.unanswered > data.ack) {
      data.score_threshold = before.threshold;
      data.hidden_categories = [...before.hidden];
      data.display = before.display;
    }
    return data;
  }

  /**
   * Choices made on the image before, of which Python may not know, are reported with the new one.
   * @param {Model} before
   */
  carryChoices(before) {
    const { model } = this.viewer;
    if (model === null || !(before.touched || before.unanswered > (this.state.frame?.message.ack ?? 0))) return;
    model.touched = true;
    this.viewer.report(1000);
  }

  /** @param {string} place */
  arrive(place) {
    const { state, viewer } = this;
    const { frame } = state;
    if (frame === null) return;
    this.placed = place;
    this.editor.arrive();
    this.comments.close();
    if (frame.focus !== null) {
      viewer.choose(frame.focus);
      const instance = viewer.model?.byId.get(frame.focus);
      if (instance !== undefined) viewer.focusOn(instance.box);
      return;
    }
    viewer.choose(this.firstUndecided());
  }

  /** What is decided where nothing is chosen: never another one than the place is about. */
  firstUndecided() {
    const { frame, message } = this.state;
    if (frame === null) return null;
    if (frame.focus !== null && frame.states.has(frame.focus)) return frame.focus;
    return message?.queue.unit === "instance" ? null : nextUndecided(frame, this.shownIds(), null);
  }

  /** By descending score, as the viewer goes through them: what is hidden or locked is left alone. */
  shownIds() {
    const { model } = this.viewer;
    return model === null ? [] : pickableInstances(model).map((instance) => instance.id);
  }

  /** The same with those that are locked. */
  seenIds() {
    const { model } = this.viewer;
    return model === null ? [] : shownInstances(model).map((instance) => instance.id);
  }

  /** The selected instances that can be seen. */
  selectedIds() {
    const { model } = this.viewer;
    return model === null ? [] : this.shownIds().filter((id) => model.selected.has(id));
  }

  showBar() {
    const [shown, seen] = [this.shownIds(), this.seenIds()];
    this.bar.show(this.state, this.categories, {
      shown,
      seen,
      selected: this.selectedIds(),
      late: this.sending.isLate,
    });
    this.attributes.show();
    showSecondLook(this);
    showPeople(this.viewer.controls.part("people", HTMLElement), this.state.message?.people ?? []);
    this.refusals.show(this.state.message?.project_id ?? 0);
    if (this.state.loading) this.bar.say(LOADING);
    else if (this.bar.remark === LOADING) this.bar.say("");
  }

  painted() {
    const { viewer } = this;
    this.editor.paint();
    this.comments.paint();
    if (this.awaited === "" || viewer.model?.image.key !== this.awaited) return;
    if (!viewer.picture.isSharp(viewer.view.scale * viewer.ratio)) return;
    this.awaited = "";
    // The drawing reaches the screen with this frame; a task after it comes when that is done.
    const detail = { at: this.state.shownAt };
    setTimeout(() => this.mark("maskdesk-picture", detail), 0);
  }

  /** @param {string} name @param {unknown} detail */
  mark(name, detail) {
    this.marks += 1;
    if (this.marks > MARKS_KEPT) {
      performance.clearMarks("maskdesk-key");
      performance.clearMarks("maskdesk-picture");
      this.marks = 1;
    }
    performance.mark(name, { detail });
  }

  // ---- decisions ----

  /** @param {import("./review_keys.js").Deed} deed */
  act({ name, number }) {
    const { bar } = this;
    this.attributes.keep();
    bar.say("");
    if (this.state.loading && actionNamed(name).when === "picture") {
      bar.say("this image is still loading: press again");
      return;
    }
    if (Object.hasOwn(DECISIONS, name)) DECISIONS[name](this, number ?? 0);
    else this.editor.act(name);
  }

  /**
   * @param {[number, number, number, number]} box
   * @param {number} [categoryId] of the active category, unless another one is said
   */
  drawBox(box, categoryId = this.categories.active?.id) {
    drawBox(this, box, categoryId ?? null);
  }

  /** @param {string} name of an action of the review or of the viewer */
  actAnywhere(name) {
    if (Object.hasOwn(VIEWER_ACTS, name)) VIEWER_ACTS[name](this.viewer);
    else this.act({ name });
  }

  /** @param {boolean} hasChanged */
  changed(hasChanged) {
    if (hasChanged) {
      this.sending.keep();
      this.categories.waiting.forgetUndone();
    }
    this.show();
  }

  // ---- events ----

  listen() {
    const { root } = this;
    const { signal } = this.leaving;
    document.addEventListener("keydown", (event) => this.onKeyDown(event), { signal, capture: true });
    document.addEventListener(
      "keyup",
      (event) => {
        if (actionFor(VIEWER_KEYS, event)?.name === "compare") this.viewer.setCompare(false);
      },
      { signal, capture: true },
    );
    document.addEventListener("pointerdown", () => (this.cameByTab = false), { signal, capture: true });
    root.addEventListener(
      "click",
      (event) => {
        const button = event.target instanceof Element ? event.target.closest("[data-act]") : null;
        if (!(button instanceof HTMLElement)) return;
        const name = button.dataset.act ?? "";
        if (name === "relabel") this.categories.choose(Number(button.dataset.category));
        else this.act({ name });
      },
      { signal },
    );
    const more = this.viewer.controls.part("more", HTMLButtonElement);
    more.addEventListener("click", () => openPictureMenu(this.viewer, more), { signal });
    // A button that was clicked does not get the focus: Enter would press it again.
    root.addEventListener(
      "mousedown",
      (event) => {
        if (event.target instanceof Element && event.target.closest("button") !== null) event.preventDefault();
      },
      { signal },
    );
    document.addEventListener("visibilitychange", () => document.hidden && this.sending.flush(true), { signal });
    window.addEventListener("pagehide", () => this.sending.flush(true), { signal });
  }

  /** @param {KeyboardEvent} event */
  onKeyDown(event) {
    if (event.key === "Tab") this.cameByTab = true;
    if (!this.root.isConnected || event.isComposing || hasOpenDialog(document)) return;
    const [target] = event.composedPath();
    const element = target instanceof Element ? target : null;
    if (isTakenBy(element, event.key, this.cameByTab)) return;
    const { controls } = this.viewer;
    if (event.key === "Escape" && !controls.sheet.hidden) {
      event.stopPropagation();
      controls.showHelp(false);
      return;
    }
    if (this.editor.press(event)) {
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    const hotKey = event.altKey ? hotKeyOf(event) : null;
    if (hotKey !== null && !event.repeat && this.categories.chooseByKey(hotKey)) {
      event.preventDefault();
      event.stopPropagation();
      return;
    }
    const deed = deedOf(event);
    if (deed !== null) {
      if (deed.name === "copy" && !(document.getSelection()?.isCollapsed ?? true)) return; // a text is copied
      event.preventDefault();
      event.stopPropagation();
      if (event.repeat && !isRepeatable(deed)) return;
      if (this.slips.has(deed, event.timeStamp)) {
        this.bar.say("pressed twice: still on this image");
        return;
      }
      this.mark("maskdesk-key", deed);
      this.act(deed);
      return;
    }
    this.passToViewer(event, element);
  }

  /**
   * The viewer's own letters, when the focus is not in it.
   * @param {KeyboardEvent} event
   * @param {Element | null} element
   */
  passToViewer(event, element) {
    if (!WORKS_FROM_THE_PAGE.test(plainKey(event.key))) return;
    if (element !== null && this.root.contains(element)) return;
    const action = actionFor(VIEWER_KEYS, event);
    if (action === null) return;
    event.preventDefault();
    event.stopPropagation();
    VIEWER_ACTS[action.name](this.viewer);
  }

  destroy() {
    this.leaving.abort(); // what is not acknowledged is in the tab's storage; see leaving.js
    clearInterval(this.clock);
    this.sending.stop();
    clearTimeout(this.bar.remarkTimer);
    this.ahead.stop();
    this.viewer.destroy();
  }
}

// The reviewer: the viewer, the review bar, the keys, and the way of operations to Python.

import { Leaving, isDrawing } from "../../viewer/frontend/leaving.js";
import { shownInstances } from "../../viewer/frontend/state.js";
import { fitView } from "../../viewer/frontend/geometry.js";
import { actionFor } from "../../viewer/frontend/keys.js";
import { Viewer } from "../../viewer/frontend/viewer.js";
import { bySoonness, nextUndecided } from "./review_frames.js";
import { ReviewState } from "./review_state.js";
import { lookOf } from "./review_look.js";
import { claimClient, connection, heldName, holdName, loadSaved, save, wake } from "./review_session.js";
import { EDIT_ACTS, VIEWER_KEYS, actionOf, hasOpenDialog, isRepeatable, isTakenBy } from "./review_keys.js";
import { KEYED_CATEGORIES, ReviewBar } from "./review_bar.js";
import { RefusalList, RefusalPanel } from "./refusals.js";
import { Editor } from "./editor.js";

/** @typedef {import("./review_state.js").ReviewMessage} ReviewMessage */
/** @typedef {import("./review_frames.js").Frame} Frame */
/** @typedef {import("./review_frames.js").Status} Status */
/** @typedef {import("./review_frames.js").Patch} Patch */
/** @typedef {import("../../viewer/frontend/state.js").Message} ViewerMessage */
/** @typedef {import("../../viewer/frontend/state.js").Model} Model */

const LOADING = "Loading…";
/** What is about the picture: it means nothing before that is there. */
const NEEDS_FRAME = new Set(["accept", "reject", "accept-all", "reject-all", "relabel", "crowd", "done", "reopen", ...EDIT_ACTS]);
/** Nothing acknowledged for so long (ms): the person is told. */
const LATE_AFTER = 5000;
/** Python gets the next operations when it has answered the last ones, or after so long (ms), and then after
 *  twice that, and so on: each report ends the run that is under way, and a run that is always ended answers
 *  nothing. */
const PATIENCE = 800;
/** So long after a lost connection a server that had to start may take to draw the page again (ms). */
const AFTER_CONNECTION = 60_000;
/** When it has drawn nothing for so long, it knows the page still or has no reason to (ms). */
const CALM = 3000;
const PATIENCE_AT_MOST = 15_000;
/** What was not acknowledged is sent again after so long (ms), and then after twice that, and so on. */
const SEND_AGAIN = 6000;
const SEND_AGAIN_AT_MOST = 60_000;
/** While the database does not answer it is tried so often (ms). */
const SEND_AGAIN_AWAY = 3000;
/** Pictures held decoded around the present place: pixels of all, and number. */
const PIXELS_AHEAD = 120e6;
const PICTURES_AHEAD = 16;
/** Time for reading masks ahead in one go (ms). */
const READ_AHEAD = 8;
/** Marks for measurements; a page that is open for days must not gather them. */
const MARKS_KEPT = 500;

export class Reviewer {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.viewer = new Viewer(root, { digitKeys: false });
    this.viewer.onShown = () => this.showBar();
    this.viewer.onPaint = () => this.painted();
    this.bar = new ReviewBar(this.viewer.controls);
    this.state = new ReviewState(loadSaved(sessionStorage));
    this.state.call(heldName());
    this.refusals = new RefusalPanel(this.viewer.controls, new RefusalList(sessionStorage, this.state.client));
    /** @type {(name: string, value: unknown) => void} */
    this.setStateValue = () => {};
    this.named = false;
    /** The place whose frame the viewer has. */
    this.placed = "";
    /** @type {string} image whose first drawing is still to be marked */
    this.awaited = "";
    this.marks = 0;
    /** Greatest number that was sent; operations after it are new. */
    this.sent = 0;
    this.sentAt = -Infinity;
    this.isAnswered = true;
    this.patience = PATIENCE;
    this.sendTimer = 0;
    this.flushAsked = false;
    /** When Python last acknowledged something, or the first of what waits was done. */
    this.progressAt = performance.now();
    this.sendAgain = SEND_AGAIN;
    this.clock = window.setInterval(() => this.tick(), 500);
    this.idle = 0;
    /** Until then nothing is sent: see `isSilent`. */
    this.silentUntil = 0;
    this.calmSince = 0;
    /** Whether the app has drawn since the connection came back. */
    this.hasDrawn = true;
    this.viewer.quiet = () => (this.isSilent() ? 500 : 0);
    this.cameByTab = false;
    this.leaving = new AbortController();
    this.leave = new Leaving(this.leaving.signal);
    this.editor = new Editor({
      viewer: this.viewer,
      state: this.state,
      selectedIds: () => this.selectedIds(),
      shownIds: () => this.shownIds(),
      say: (text) => this.bar.say(text),
      changed: (hasChanged) => this.changed(hasChanged),
      drawBox: (box) => this.drawBox(box),
    }, this.leaving.signal);
    /** @type {number[]} operations by which a box was drawn, not answered yet */
    this.drawnBoxes = [];
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
    this.named = true;
    save(sessionStorage, this.state.toSave());
    this.flush();
  }

  // ---- Python's word ----

  /**
   * @param {ReviewMessage} data
   * @param {(name: string, value: unknown) => void} setStateValue
   */
  accept(data, setStateValue) {
    this.setStateValue = setStateValue;
    this.silentUntil = 0;
    const waiting = this.state.pending.length;
    /** @type {import("./review_state.js").Refusal[]} */
    let refusals;
    try {
      refusals = this.state.accept(data);
    } catch (error) {
      this.viewer.controls.showNotice(`The reviewer cannot read this page’s data (${String(error)}). Reload the page.`);
      return;
    }
    if (data.who) holdName(data.who);
    const hasNamed = this.state.call(heldName());
    if (hasNamed) this.sent = 0; // Python would not have them without
    if (hasNamed || this.state.pending.length < waiting) {
      this.progressAt = performance.now();
      this.sendAgain = SEND_AGAIN;
      this.patience = PATIENCE;
      save(sessionStorage, this.state.toSave());
    }
    if (data.is_away) {
      // That is an answer, too: it could not be saved.
      this.isAnswered = true;
      this.sendAgain = SEND_AGAIN_AWAY;
    }
    if (!this.state.pending.some(({ op }) => op.seq <= this.sent)) this.isAnswered = true;
    const fresh = this.refusals.list.add(data.project_id, refusals);
    if (fresh.length > 0) this.bar.say(`not carried out: ${fresh[fresh.length - 1].text}`);
    this.show();
    const remark = this.state.takeRemark();
    if (remark !== "") this.bar.say(remark);
    this.flush();
  }

  // ---- what is shown ----

  /** Give the viewer the frame of the present place. */
  show() {
    const { state, viewer } = this;
    const { frame } = state;
    if (frame === null) {
      viewer.controls.showNotice(state.length === 0 ? "Nothing to review in this queue." : "Loading…");
      this.showBar();
      return;
    }
    const place = `${state.token} ${frame.at}`;
    const arrived = place !== this.placed;
    const before = viewer.model;
    const renamed = state.takeRenamed();
    if (renamed.size > 0) this.editor.rename(renamed);
    if (before !== null) before.selected = new Set([...before.selected].map((id) => renamed.get(id) ?? id));
    const newImage = before?.image.key !== frame.message.image.key;
    if (newImage || arrived) this.awaited = frame.message.image.key;
    viewer.accept(this.messageFor(before, newImage), (report) => this.setStateValue("view", report));
    if (before !== null && newImage) this.carryChoices(before);
    if (arrived) this.arrive(place);
    this.chooseDrawn();
    this.showBar();
    this.lookAhead();
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
    const instances = lookOf(frame, message.categories);
    const data = { ...frame.message, instances, height: message.height, selected: /** @type {number[]} */ ([]) };
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

  /** By descending score, as the viewer goes through them. */
  shownIds() {
    const { model } = this.viewer;
    return model === null ? [] : shownInstances(model).map((instance) => instance.id);
  }

  /** The selected instances that can be seen. */
  selectedIds() {
    const { model } = this.viewer;
    return model === null ? [] : this.shownIds().filter((id) => model.selected.has(id));
  }

  showBar() {
    this.bar.show(this.state, { shown: this.shownIds(), selected: this.selectedIds(), late: this.isLate() });
    this.refusals.show(this.state.message?.project_id ?? 0);
    if (this.state.loading) this.bar.say(LOADING);
    else if (this.bar.remark === LOADING) this.bar.say("");
  }

  painted() {
    const { viewer } = this;
    this.editor.paint();
    if (this.awaited === "" || viewer.model?.image.key !== this.awaited || viewer.picture.status !== "ready") return;
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

  // ---- reading ahead ----

  lookAhead() {
    const { state, viewer } = this;
    const places = bySoonness(state.frames.keys(), state.at);
    const frames = places.map((at) => /** @type {Frame} */ (state.frames.get(at)));
    /** @type {Set<string>} */
    const urls = new Set();
    let pixels = 0;
    for (const { image } of frames.map((frame) => frame.message)) {
      if (urls.has(image.url)) continue;
      pixels += image.width * image.height;
      if (urls.size > 1 && (pixels > PIXELS_AHEAD || urls.size >= PICTURES_AHEAD)) break;
      urls.add(image.url);
    }
    viewer.picture.prefetch([...urls]);
    viewer.shapes.keep(new Set(frames.map((frame) => frame.message.image.key)));
    const wait = window.requestIdleCallback ?? ((/** @type {() => void} */ work) => window.setTimeout(work, 30));
    const stop = window.cancelIdleCallback ?? clearTimeout;
    stop(this.idle);
    const work = () => {
      for (const { message } of frames) {
        const density = fitView(message.image, viewer.stage).scale * viewer.ratio;
        if (viewer.shapes.prepare(message.image.key, message.instances, READ_AHEAD, density)) continue;
        this.idle = wait(work);
        return;
      }
    };
    this.idle = wait(work);
  }

  // ---- decisions ----

  /** @param {import("./review_keys.js").Action} action */
  act({ name, number }) {
    const { bar } = this;
    bar.say("");
    if (this.state.loading && NEEDS_FRAME.has(name)) {
      bar.say("this picture is still loading: press again");
      return;
    }
    if (name === "accept") this.decide("accepted");
    else if (name === "reject") this.decide("rejected");
    else if (name === "accept-all") this.decideAll("accepted");
    else if (name === "reject-all") this.decideAll("rejected");
    else if (name === "relabel") this.relabelByNumber(number ?? 0);
    else if (name === "choose-category") bar.openList();
    else if (name === "next") this.go(this.state.at + 1);
    else if (name === "previous") this.go(this.state.at - 1);
    else if (name === "done") this.finish();
    else if (name === "reopen") this.changed(this.state.finish("opened"));
    else if (name === "undo") this.turnBack(this.state.undo(), "nothing to undo");
    else if (name === "redo") this.turnBack(this.state.redo(), "nothing to redo");
    else if (name === "crowd") this.toggleCrowd();
    else if (name === "show-refusals") this.refusals.reveal();
    else if (name === "dismiss") this.refusals.dismiss(null);
    else this.editor.act(name);
  }

  /** @param {boolean} hasChanged */
  changed(hasChanged) {
    if (hasChanged) this.keep();
    this.show();
  }

  /** @param {Status} status */
  decide(status) {
    const { state } = this;
    const { frame } = state;
    if (frame === null || state.loading) return;
    const selected = this.selectedIds();
    const first = this.firstUndecided();
    const ids = selected.length > 0 ? selected : first === null ? [] : [first];
    if (ids.length === 0) {
      this.bar.say("nothing to decide");
      return;
    }
    if (!this.shownIds().includes(ids[0])) {
      this.bar.say("hidden by its score or category");
      return;
    }
    const changed = state.setStatus(ids, status).length > 0;
    if (frame.focus === null) {
      this.changed(changed);
      this.goToUndecided(ids[ids.length - 1]);
    } else if (!ids.includes(frame.focus)) {
      this.changed(changed);
      this.viewer.choose(frame.focus);
      this.viewer.lookAt(frame.focus);
    } else {
      if (changed) this.keep();
      this.go(state.at + 1);
    }
  }

  /** @param {Status} status */
  decideAll(status) {
    const { frame } = this.state;
    if (frame === null || this.state.loading) return;
    const ids = this.shownIds().filter((id) => frame.states.get(id)?.status === "proposed");
    if (ids.length === 0) this.bar.say("nothing to decide");
    this.changed(this.state.setStatus(ids, status).length > 0);
    if (ids.length > 0) this.bar.say(`${ids.length} ${status}`);
  }

  /** @param {number} id that was decided */
  goToUndecided(id) {
    const { frame } = this.state;
    const next = frame === null ? null : nextUndecided(frame, this.shownIds(), id);
    // With none left nothing stays selected: one key too many would overturn the last decision.
    this.viewer.choose(next);
    if (next !== null) this.viewer.lookAt(next);
  }

  /** @param {number} number from 1 */
  relabelByNumber(number) {
    const category = this.state.message?.categories[number - 1];
    if (category === undefined) this.bar.say(`no category ${number}`);
    else this.relabel(category.id);
  }

  /** @param {number} categoryId */
  relabel(categoryId) {
    const ids = this.selectedIds();
    this.editor.category = categoryId;
    if (ids.length === 0) {
      const name = this.state.message?.categories.find(({ id }) => id === categoryId)?.name ?? "";
      this.bar.say(this.editor.tool === null ? "select an instance first" : `what is drawn next: ${name}`);
    } else this.changed(this.state.relabel(ids, categoryId).length > 0);
  }

  toggleCrowd() {
    const { changed, isCrowd } = this.state.toggleCrowd(this.selectedIds());
    if (changed.length === 0) {
      this.bar.say("select an instance first");
      return;
    }
    this.changed(true);
    const what = changed.length === 1 ? (isCrowd ? "a crowd" : "one object") : isCrowd ? "crowds" : "one object each";
    this.bar.say(`${changed.length} marked as ${what}`);
  }

  /** @param {[number, number, number, number]} box */
  drawBox(box) {
    if (!this.state.drawBox(box)) return;
    this.drawnBoxes.push(this.state.seq);
    this.bar.say("the network looks at the box …");
    this.changed(true);
  }

  /** What a box became is selected, so that a digit corrects its category. */
  chooseDrawn() {
    const { frame, made, pending } = this.state;
    const answered = this.drawnBoxes.filter((seq) => !pending.some(({ op }) => op.seq === seq));
    if (answered.length === 0) return;
    this.drawnBoxes = this.drawnBoxes.filter((seq) => !answered.includes(seq));
    const id = answered.flatMap((seq) => made.get(seq) ?? []).pop();
    const state = id === undefined ? undefined : frame?.states.get(id);
    if (id === undefined || state === undefined) return;
    this.viewer.showCategory(state.category_id);
    this.viewer.choose(id);
    const { note } = state;
    this.bar.say(note === "" ? "added" : `added; ${note}`);
  }

  finish() {
    const { state } = this;
    const { frame } = state;
    if (frame === null || state.loading) return;
    // A place of one instance says nothing of the image's others.
    const isWhole = state.message?.queue.unit === "image" || [...frame.states.values()].every((one) => one.status !== "proposed");
    const undecided = [...frame.states.values()].filter((one) => one.status === "proposed").length;
    const changed = isWhole && state.finish("reviewed");
    if (changed) this.keep();
    this.go(state.at + 1);
    if (changed && undecided > 0) this.bar.say(`finished with ${undecided} undecided`);
  }

  /** @param {number} at */
  go(at) {
    const outcome = this.state.go(at);
    if (outcome === "end") {
      this.changed(false);
      this.bar.say("end of the queue");
    } else this.changed(outcome !== "here");
  }

  /**
   * @param {Patch | "unknown" | null} patch
   * @param {string} nothing what to say if there was none
   */
  turnBack(patch, nothing) {
    if (patch === null) {
      this.bar.say(nothing);
      return;
    }
    this.changed(true);
    const { frame } = this.state;
    if (patch === "unknown" || frame === null || frame.image_id !== patch.image_id || this.state.loading) return;
    const id = patch.instances.length === 1 ? patch.instances[0].id : null;
    if (id === null || !this.shownIds().includes(id)) return;
    this.viewer.choose(id);
    this.viewer.lookAt(id);
  }

  // ---- the way to Python ----

  /** There are new operations: keep them and send them. */
  keep() {
    if (this.named) save(sessionStorage, this.state.toSave());
    if (!this.flushAsked) {
      // What one key does becomes one report.
      this.flushAsked = true;
      queueMicrotask(() => {
        this.flushAsked = false;
        this.flush();
      });
    }
  }

  /** @param {boolean} now whether to send although Python has not answered what was sent before */
  flush(now = false) {
    const { state } = this;
    const report = state.report();
    const last = report.ops[report.ops.length - 1]?.seq ?? 0;
    if (!this.named || state.message === null || last <= this.sent || this.isSilent()) return;
    const wait = this.isAnswered || now ? 0 : this.sentAt + this.patience - performance.now();
    clearTimeout(this.sendTimer);
    if (wait > 0) {
      this.sendTimer = window.setTimeout(() => this.flush(), wait);
      return;
    }
    if (!state.pending.some(({ op }) => op.seq <= this.sent)) this.progressAt = performance.now();
    this.sendReport(report);
  }

  /** @param {ReturnType<ReviewState["report"]>} report with operations */
  sendReport(report) {
    this.sent = report.ops[report.ops.length - 1].seq;
    this.sentAt = performance.now();
    if (!this.isAnswered) this.patience = Math.min(2 * this.patience, PATIENCE_AT_MOST);
    this.isAnswered = false;
    this.setStateValue("ops", report);
  }

  /**
   * While there is no connection, and until the page has been drawn again after it: a restarted server knows
   * nothing of this part of the page, and a wish to draw it would take the place of the whole page's. Streamlit has
   * the page drawn again only where something was under way when the connection was lost; or else we do.
   */
  isSilent() {
    const now = performance.now();
    if (connection() !== "CONNECTED") {
      this.silentUntil = now + AFTER_CONNECTION;
      this.calmSince = now;
      this.hasDrawn = false;
      this.sent = 0; // what was sent into the void is sent again
      this.sendAgain = SEND_AGAIN;
    } else if (now < this.silentUntil) {
      if (isDrawing()) {
        this.calmSince = now;
        this.hasDrawn = true;
      }
      else if (now - this.calmSince > CALM) {
        // A server that has just started may need some time for it, or the wish was lost with the connection.
        if (this.hasDrawn || !wake()) this.silentUntil = 0;
        this.calmSince = now;
      }
    }
    return this.leave.isNow || now < this.silentUntil;
  }

  isLate() {
    return !this.state.saved && performance.now() - this.progressAt > LATE_AFTER;
  }

  tick() {
    const { state } = this;
    if (state.saved || !this.named || state.message === null) return;
    this.isSilent(); // it has to be asked to notice a lost connection
    const now = performance.now();
    if (now - Math.max(this.sentAt, this.progressAt) > this.sendAgain && !this.isSilent()) {
      if (state.message.is_away) this.sendAgain = SEND_AGAIN_AWAY;
      else this.sendAgain = Math.min(2 * this.sendAgain, SEND_AGAIN_AT_MOST);
      this.sendReport(state.report());
    }
    this.showBar();
  }

  // ---- events ----

  listen() {
    const { root } = this;
    const { signal } = this.leaving;
    document.addEventListener("keydown", (event) => this.onKeyDown(event), { signal, capture: true });
    document.addEventListener("keyup", (event) => {
      if (event.key.toLowerCase() === "b") this.viewer.setCompare(false);
    }, { signal, capture: true });
    document.addEventListener("pointerdown", () => (this.cameByTab = false), { signal, capture: true });
    root.addEventListener("click", (event) => {
      const button = event.target instanceof Element ? event.target.closest("[data-act]") : null;
      if (!(button instanceof HTMLElement)) return;
      const name = button.dataset.act ?? "";
      if (name === "relabel" && button.dataset.category !== undefined) this.relabel(Number(button.dataset.category));
      else this.act({ name });
    }, { signal });
    // A button that was clicked does not get the focus: Enter would press it again.
    root.addEventListener("mousedown", (event) => {
      if (event.target instanceof Element && event.target.closest("button") !== null) event.preventDefault();
    }, { signal });
    this.bar.list.addEventListener("change", () => {
      const { list } = this.bar;
      if (list.value !== "") this.relabel(Number(list.value));
      list.value = "";
      this.viewer.controls.stage.focus();
    }, { signal });
    document.addEventListener("visibilitychange", () => document.hidden && this.flush(true), { signal });
    window.addEventListener("pagehide", () => this.flush(true), { signal });
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
    const action = actionOf(event);
    if (action !== null) {
      if (action.name === "choose-category" && (this.state.message?.categories.length ?? 0) <= KEYED_CATEGORIES) return;
      event.preventDefault();
      event.stopPropagation();
      if (event.repeat && !isRepeatable(action)) return;
      this.mark("maskdesk-key", action);
      this.act(action);
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
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (event.ctrlKey || event.metaKey || event.altKey || !VIEWER_KEYS.test(key)) return;
    if (element !== null && this.root.contains(element)) return;
    const action = actionFor(key, event.shiftKey);
    if (action === null) return;
    event.preventDefault();
    event.stopPropagation();
    action(this.viewer);
  }

  destroy() {
    this.leaving.abort(); // what is not acknowledged is in the tab's storage; see leaving.js
    clearInterval(this.clock);
    clearTimeout(this.sendTimer);
    clearTimeout(this.bar.remarkTimer);
    (window.cancelIdleCallback ?? clearTimeout)(this.idle);
    this.viewer.destroy();
  }
}

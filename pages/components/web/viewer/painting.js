// One frame of the viewer: the picture, the instances over it, and what is said around them.

import { scaleLimits, screenToImage } from "../lib/geometry.js";
import { paintAids } from "./aids.js";
import { indexOf } from "./item_index.js";
import { drawHighlight } from "./overlay.js";
import { fillsMasks } from "./state.js";

/** @typedef {import("./state.js").Model} Model */
/** @typedef {import("./layer.js").Item} Item */
/** @typedef {import("./viewer.js").Viewer} Viewer */

/** @param {Viewer} viewer @param {Model} model */
export function paintFrame(viewer, model) {
  const { canvas, context, view, stage, ratio } = viewer;
  const items = viewer.visibleItems(model);
  viewer.overlay.update(items, model.display, view, stage, ratio, viewer.moving);
  if (model.display.splash) viewer.splash.update(items, model.display, view, stage, ratio, viewer.moving);

  context.setTransform(1, 0, 0, 1, 0, 0);
  context.clearRect(0, 0, canvas.width, canvas.height);
  viewer.picture.draw(context, view, stage, ratio, viewer.tones);
  if (!viewer.comparing) paintInstances(viewer, model, items);
  paintAids(viewer, model.image);
  viewer.ruler.paint();
  showFacts(viewer, model);
}

/**
 * @param {Viewer} viewer
 * @param {Model} model
 * @param {Item[]} items
 */
function paintInstances(viewer, model, items) {
  const { context, view, stage, ratio } = viewer;
  const { display } = model;
  // Without a picture there is nothing to be turned grey: the blend would paint a grey one.
  if (display.splash && !viewer.picture.isEmpty) {
    viewer.splash.apply(context, view, ratio, model.image, stage);
  }
  const marked = (/** @type {number} */ id) => id === viewer.hovered || model.selected.has(id);
  if (fillsMasks(display) || display.contours || display.boxes) viewer.overlay.blit(context, view, ratio);
  const above = items.filter((item) => marked(item.instance.id));
  for (const item of above) {
    drawHighlight(context, item, view, ratio, model.selected.has(item.instance.id));
  }
  const labelled = display.labels ? indexOf(items).within(inView(view, stage)) : above;
  viewer.labels.draw(context, labelled, view, stage, ratio, marked);
}

/**
 * The part of the image that is on the stage.
 * @param {import("../lib/geometry.js").View} view
 * @param {import("../lib/geometry.js").Size} stage
 */
function inView(view, stage) {
  return [...screenToImage(view, 0, 0), ...screenToImage(view, stage.width, stage.height)];
}

/** @param {Viewer} viewer @param {Model} model */
function showFacts(viewer, model) {
  const { view, ratio, controls } = viewer;
  const { least, most } = scaleLimits(model.image, viewer.stage);
  const place = Math.log(view.scale / least) / Math.log(most / least);
  const percent = view.scale * ratio * 100;
  controls.showZoom(place, `${percent < 10 ? percent.toFixed(1) : Math.round(percent)}%`);
  controls.showNotice(noticeText(viewer, model));
  controls.showEmpty(
    model.instances.length > 0 || viewer.begun ? "" : model.message || "No instances found: take another model",
  );
  const { dataset } = viewer.root;
  dataset.zoom = String(view.scale);
  dataset.pan = `${view.x},${view.y}`;
  const isStretched = viewer.overlay.stretched || (model.display.splash && viewer.splash.stretched);
  const still = !isStretched && viewer.shapes.waiting.length === 0;
  const done = viewer.picture.isSharp(view.scale * ratio) || viewer.picture.status === "failed";
  dataset.ready = String(still && done && viewer.canvas.width > 1);
}

/** @param {Viewer} viewer @param {Model} model */
function noticeText({ picture, view, ratio }, model) {
  if (picture.status === "failed") {
    return `The image “${model.image.name}” could not be loaded. Reload the page, or open the image again.`;
  }
  return picture.status === "loading" && !picture.isSharp(view.scale * ratio) ? "Loading…" : "";
}

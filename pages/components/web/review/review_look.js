// How a frame's instances look in review: the viewer's message with labels, colours and signs by status.

/** @typedef {import("../viewer/state.js").Instance} Instance */
/** @typedef {import("./review_frames.js").Frame} Frame */
/** @typedef {import("./review_state.js").Category} Category */

const REJECTED = "#8a8a8a";
const PREFIXES = { proposed: "", accepted: "✓ ", rejected: "✗ " };

/**
 * @param {Frame} frame
 * @param {Category[]} categories
 * @returns {Instance[]}
 */
export function lookOf(frame, categories) {
  const byId = new Map(categories.map((category) => [category.id, category]));
  return frame.message.instances.map((instance) => {
    const state = frame.states.get(instance.id);
    if (state === undefined) return instance;
    const moved = state.category_id === instance.category_id ? undefined : byId.get(state.category_id);
    const isRejected = state.status === "rejected";
    return {
      ...instance,
      label: moved?.name ?? instance.label,
      category_id: state.category_id,
      color_category: isRejected ? REJECTED : (moved?.color ?? instance.color_category),
      color_instance: isRejected ? REJECTED : instance.color_instance,
      color_chip: moved?.color ?? instance.color_category,
      prefix: PREFIXES[state.status],
      has_score: state.has_score,
      is_crowd: state.is_crowd,
      status: state.status,
      source: state.source ?? "",
      faint: isRejected,
    };
  });
}

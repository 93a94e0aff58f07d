// The second look at an image that was annotated: approve it, or return it with a comment.

/** @typedef {import("./reviewer.js").Reviewer} Reviewer */
/** @typedef {import("./review_frames.js").Frame} Frame */

const OFF = "nobody has to approve images here: see Settings on the Project page";
const NOT_FINISHED = "finish the image first";

/** What is said where nothing was approved. */
const WHY_NOT = {
  "approved before": "approved already",
  "not finished": NOT_FINISHED,
  loading: "this image is still loading: press again",
  off: OFF,
};

/** What is said of an image of which nobody has said anything. @type {Partial<Record<string, string>>} */
const UNSAID = { "": "Not finished yet.", "to-approve": "Waits for approval." };

/** @param {Reviewer} reviewer @param {() => void} goOn to the next place */
export function approve(reviewer, goOn) {
  const outcome = reviewer.state.approve();
  if (outcome === "approved") {
    reviewer.sending.keep();
    goOn();
  }
  reviewer.bar.say(outcome === "approved" ? "approved" : WHY_NOT[outcome]);
}

/** Ask for the comment with which the image goes back. @param {Reviewer} reviewer */
export function askToReturn(reviewer) {
  const { frame, loading } = reviewer.state;
  if (frame === null || loading) return;
  const why = !frame.second_look ? OFF : frame.image_status === "reviewed" ? "" : NOT_FINISHED;
  if (why !== "") reviewer.bar.say(why);
  else reviewer.comments.open("return");
}

/** Bring the place in the panel up to date. @param {Reviewer} reviewer */
export function showSecondLook({ bar, state, viewer }) {
  const { controls } = viewer;
  const { frame, loading } = state;
  const look = frame?.second_look ?? null;
  const place = controls.part("second-look", HTMLElement);
  place.hidden = look === null;
  place.dataset.stage = look?.stage ?? "";
  controls.root.dataset.stage = look?.stage ?? "";
  const told = look === null ? "" : look.told === "" ? (UNSAID[look.stage] ?? "") : sentence(look.told);
  controls.setText("second-look-told", told);
  const isFinished = frame !== null && !loading && look !== null && frame.image_status === "reviewed";
  bar.enable("approve", isFinished && look.stage !== "approved");
  bar.enable("return", isFinished);
}

/** @param {string} text */
function sentence(text) {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`;
}

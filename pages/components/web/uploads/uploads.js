// Takes images from the clipboard, and says why files cannot be uploaded: Streamlit's uploader shows a file that the
// server refused with a number alone.
//
// The browser keeps the cookie that proves a request to be the page's own from a page within another site's page.
// Streamlit sends that cookie's value with each file; without it the server answers 403.

import { mountScreen } from "../lib/mount.js";
import { listenForFiles, noteUpload } from "./handing_in.js";
import { listenForPastes } from "./pasting.js";

const COOKIE = "_streamlit_xsrf";
const UPLOADS = "/_stcore/upload_file/";

/**
 * @typedef {"" | "frame" | "cookie" | "refused" | "large"} Reason
 */

/**
 * What keeps files from being uploaded; empty for nothing that is known.
 * @param {{isProtected: boolean, cookies: string, isFramed: boolean, status: number}} facts `cookies` as the page
 * sees them, `status` the last upload's, 0 before there was one
 * @returns {Reason}
 */
export function reasonOf({ isProtected, cookies, isFramed, status }) {
  const hasCookie = cookies.split(";").some((cookie) => cookie.trim().startsWith(`${COOKIE}=`));
  if (status === 413) return "large";
  if (isProtected && !hasCookie && isFramed) return "frame"; // known before a file is chosen
  if (status !== 403) return "";
  return hasCookie ? "refused" : "cookie";
}

/**
 * The newest upload among what the browser has loaded, if there was one.
 * @template {{name: string, startTime: number}} Entry
 * @param {Entry[]} entries
 * @param {number} since uploads that began before it are not meant
 * @returns {Entry | undefined}
 */
export function newestUpload(entries, since) {
  const uploads = entries.filter(({ name, startTime }) => startTime >= since && name.includes(UPLOADS));
  return uploads.sort((a, b) => a.startTime - b.startTime).at(-1);
}

/** When a page with an uploader was left last: what was uploaded before has been told there. */
let left = 0;

class Uploads {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.isProtected = true;
    this.status = 0;
    const since = left;
    this.observer = new PerformanceObserver((list) => {
      const newest = newestUpload(/** @type {PerformanceResourceTiming[]} */ (list.getEntries()), since);
      if (newest === undefined) return;
      noteUpload(newest.startTime);
      if (!newest.responseStatus) return; // an old browser, which does not tell it
      this.status = newest.responseStatus;
      this.show();
    });
    this.observer.observe({ type: "resource", buffered: true }); // a file may have come before this script
    this.leaving = new AbortController();
    listenForPastes(this.leaving.signal);
    listenForFiles(this.leaving.signal);
    root.dataset.listening = "true"; // a paste before this is the page's own
  }

  destroy() {
    left = performance.now();
    this.observer.disconnect();
    this.leaving.abort();
  }

  show() {
    const facts = {
      isProtected: this.isProtected,
      cookies: document.cookie,
      isFramed: window.top !== window.self,
      status: this.status,
    };
    const reason = reasonOf(facts);
    this.root.hidden = reason === "";
    for (const text of this.root.querySelectorAll("[data-reason]")) {
      if (!(text instanceof HTMLElement)) continue;
      text.hidden = !(text.dataset.reason ?? "").split(" ").includes(reason);
    }
    const link = this.root.querySelector("a");
    if (link !== null) link.href = window.location.href;
  }
}

/** @param {import("../lib/mount.js").Component<{isProtected: boolean}>} component */
export default function mountUploads({ parentElement, data }) {
  const { screen, leave } = mountScreen(parentElement, "uploads", (root) => new Uploads(root));
  screen.isProtected = data.isProtected;
  screen.show();
  return leave;
}

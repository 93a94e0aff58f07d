// Says why files cannot be uploaded. Streamlit's uploader shows a file that the server refused with a number alone.
//
// The browser keeps the cookie that proves a request to be the page's own from a page within another site's page.
// Streamlit sends that cookie's value with each file; without it the server answers 403.

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
 * The status of the newest upload among what the browser has loaded; 0 if there was none.
 * @param {{name: string, startTime: number, responseStatus?: number}[]} entries
 */
export function statusOf(entries) {
  const uploads = entries.filter(({ name }) => name.includes(UPLOADS)).sort((a, b) => a.startTime - b.startTime);
  return uploads.at(-1)?.responseStatus ?? 0;
}

class Uploads {
  /** @param {HTMLElement} root */
  constructor(root) {
    this.root = root;
    this.isProtected = true;
    this.status = 0;
    this.observer = new PerformanceObserver((list) => {
      const status = statusOf(/** @type {PerformanceResourceTiming[]} */ (list.getEntries()));
      if (status === 0) return;
      this.status = status;
      this.show();
    });
    this.observer.observe({ type: "resource", buffered: false });
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

/** @type {WeakMap<object, Uploads>} */
const mounted = new WeakMap();

/** @param {{parentElement: ParentNode, data: {isProtected: boolean}}} component */
export default function mountUploads(component) {
  const { parentElement, data } = component;
  const root = parentElement.querySelector('[data-part="uploads"]');
  if (!(root instanceof HTMLElement)) throw new TypeError("uploads.html is missing");
  let uploads = mounted.get(parentElement);
  if (uploads === undefined || uploads.root !== root) {
    uploads?.observer.disconnect();
    uploads = new Uploads(root);
    mounted.set(parentElement, uploads);
  }
  uploads.isProtected = data.isProtected;
  uploads.show();
  const shown = uploads;
  return () => {
    if (root.isConnected) return;
    shown.observer.disconnect();
    mounted.delete(parentElement);
  };
}

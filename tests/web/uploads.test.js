import assert from "node:assert/strict";
import { test } from "node:test";

import { newestUpload, reasonOf } from "../../pages/components/web/uploads/uploads.js";

const fine = { isProtected: true, cookies: "a=1; _streamlit_xsrf=2|ab|cd|1", isFramed: false, status: 0 };

test("nothing is said where uploads work", () => {
  assert.equal(reasonOf(fine), "");
  assert.equal(reasonOf({ ...fine, status: 204 }), "");
  assert.equal(reasonOf({ ...fine, isFramed: true, status: 204 }), "", "a frame of the same site");
  assert.equal(reasonOf({ ...fine, isProtected: false, cookies: "", isFramed: true }), "", "no cookie is asked for");
});

test("a frame without the cookie is known before a file is chosen", () => {
  assert.equal(reasonOf({ ...fine, cookies: "", isFramed: true }), "frame");
  assert.equal(reasonOf({ ...fine, cookies: "x_streamlit_xsrf=1", isFramed: true }), "frame");
});

test("a refusal is told by what could have caused it", () => {
  assert.equal(reasonOf({ ...fine, status: 403 }), "refused");
  assert.equal(reasonOf({ ...fine, cookies: "", status: 403 }), "cookie");
  assert.equal(reasonOf({ ...fine, cookies: "", status: 0 }), "", "in a tab of its own a cookie may come yet");
  assert.equal(reasonOf({ ...fine, status: 413 }), "large");
});

test("the newest upload counts, and nothing else that was loaded", () => {
  const upload = (startTime, responseStatus) => ({
    name: `http://x/base/_stcore/upload_file/a/${startTime}`,
    startTime,
    responseStatus,
  });
  const other = { name: "http://x/media/a.jpg", startTime: 9, responseStatus: 403 };
  const statusOf = (entries, since) => newestUpload(entries, since)?.responseStatus;
  assert.equal(statusOf([], 0), undefined);
  assert.equal(statusOf([other], 0), undefined);
  assert.equal(statusOf([upload(3, 204), upload(2, 403), other], 0), 204);
  assert.equal(statusOf([upload(3, 204), upload(2, 403)], 3), 204);
  assert.equal(statusOf([upload(2, 403)], 3), undefined, "told on a page that was left");
});

import assert from "node:assert/strict";
import { test } from "node:test";

import { serverRoot } from "../../pages/components/web/lib/serving.js";

const scriptOf = (root) => `${root}static/js/index.abc.js`;

for (const root of ["http://a:1/", "http://a:1/x/", "https://a/x/y/"]) {
  for (const page of ["", "review", "review?project=1&image=2", "review#top", "?stage=anchors"]) {
    test(`the root of ${root}${page} is ${root}`, () => {
      assert.equal(serverRoot(root + page, [scriptOf(root)]), root);
      assert.equal(serverRoot(root + page, []), root, "also without a script to go by");
    });
  }
}

test("the script that the page was loaded with is right where the page's own path is not", () => {
  assert.equal(serverRoot("http://a/x/review/", [scriptOf("http://a/x/")]), "http://a/x/");
  assert.equal(serverRoot("http://a/x/", ["http://a/other.js", scriptOf("http://a/x/")]), "http://a/x/");
});

test("a script from another host says nothing", () => {
  assert.equal(serverRoot("http://a/x/review", [scriptOf("https://cdn/y/")]), "http://a/x/");
});

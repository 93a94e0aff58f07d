// What eslint looks for in the pages' scripts and their tests. Types and names that are not there are tsc's part for
// the scripts; prettier has the form.

import js from "@eslint/js";
import globals from "globals";

export default [
  { ignores: [".venv*/", "build/", "shared/"] },
  js.configs.recommended,
  {
    languageOptions: { ecmaVersion: 2025, sourceType: "module" },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "array-callback-return": "error",
      curly: ["error", "multi-line"],
      eqeqeq: "error",
      "no-duplicate-imports": "error",
      "no-restricted-properties": [
        "error",
        ...["innerHTML", "outerHTML", "insertAdjacentHTML"].map((property) => ({
          property,
          message: "texts come from outside: set textContent",
        })),
      ],
      "no-self-compare": "error",
      "no-shadow": "error",
      "no-unneeded-ternary": "error",
      "no-unused-vars": ["error", { args: "none" }], // a base class names what its methods are given
      "no-useless-rename": "error",
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
      "prefer-template": "error",
    },
  },
  { files: ["pages/**/*.js", "tests/browser/**"], languageOptions: { globals: globals.browser } },
  { files: ["tests/web/**", "eslint.config.js"], languageOptions: { globals: globals.node } },
];

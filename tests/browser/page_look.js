// What is seen of a page in its window; see `look_at_page` in sizes.py.
(least) => {
  const TARGETS =
    "button, a[href], summary, select, input:not([type=file], [type=hidden]), textarea, " +
    "[role=slider], [role=tab], [role=radio], [role=columnheader]";
  // A field and its arrow are one target, as large as their frame.
  const FRAMES =
    "[role=group]:has(> input[role=combobox], > * > input[role=combobox]), [data-testid=stNumberInputContainer], " +
    "[data-testid=stTextInputRootElement], [data-testid=stTextAreaRootElement], label";

  const within = (root) => [...root.querySelectorAll("*")].flatMap((one) => [one, ...shadowOf(one)]);
  const shadowOf = (one) => (one.shadowRoot === null ? [] : within(one.shadowRoot));
  const isSeen = (one) =>
    one.checkVisibility({ opacityProperty: true, visibilityProperty: true }) && one.getBoundingClientRect().right > 0;
  const nameOf = (one) => (one.getAttribute("aria-label") || one.title || one.innerText || one.tagName).trim();

  // How far a finger may be off: what has an `::after` around itself answers there, too.
  const roomOf = (one) => {
    const track = one.closest(".stSlider")?.querySelector("[style*=touch-action]") ?? null;
    const target = track ?? one.closest(FRAMES) ?? one;
    const { width, height } = target.getBoundingClientRect();
    const around = getComputedStyle(track ?? one, "::after");
    const isAround = around.position === "absolute" && around.content !== "none";
    const [x, y] = isAround ? [parseFloat(around.left), parseFloat(around.top)] : [0, 0];
    return { width: width - 2 * x, height: height - 2 * y };
  };

  const everything = within(document);
  const box = everything.find((one) => one.dataset?.part === "stage" && isSeen(one))?.getBoundingClientRect();
  const small = everything
    .filter((one) => one.matches(TARGETS) && isSeen(one) && !one.matches("p a, li a"))
    .map((one) => ({ name: nameOf(one), ...roomOf(one) }))
    .filter(({ width, height }) => width > 1 && height > 1 && (width < least || height < least))
    .map(({ name, width, height }) => `${name}: ${Math.round(width)} x ${Math.round(height)}`);
  const scrollers = [document.documentElement, document.querySelector("[data-testid=stMain]")].filter(Boolean);
  return {
    share: box === undefined ? 0 : (box.width * box.height) / (innerWidth * innerHeight),
    under_fold: box === undefined ? 0 : Math.max(0, Math.round(box.bottom - innerHeight)),
    // Streamlit's tables have an element one pixel beside themselves.
    overflow: Math.max(...scrollers.map((one) => one.scrollWidth - one.clientWidth - 1), 0),
    small: [...new Set(small)],
  };
};

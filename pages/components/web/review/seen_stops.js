// Of a row that shows only what fits, Tab stops at what is seen: focus on anything else would scroll the row.

export class SeenStops {
  /** @param {HTMLElement} row what cuts off those that do not fit */
  constructor(row) {
    this.observer = new IntersectionObserver((entries) => this.take(entries), { root: row, threshold: 0.9 });
  }

  /** @param {Iterable<Element>} buttons in place of those that were there before */
  watch(buttons) {
    this.observer.disconnect();
    for (const button of buttons) this.observer.observe(button);
  }

  /** @param {IntersectionObserverEntry[]} entries */
  take(entries) {
    for (const { target, isIntersecting } of entries) {
      if (target instanceof HTMLElement) target.tabIndex = isIntersecting ? 0 : -1;
    }
  }
}

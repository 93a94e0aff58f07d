// Instances that are too many for a message: it names the file that they are in, which is fetched once.

import { serverUrl } from "../lib/serving.js";

/** @typedef {import("./state.js").Message} Message */
/** @typedef {import("./state.js").Instance} Instance */

export class FarInstances {
  constructor() {
    this.url = "";
    /** @type {Instance[] | null} those behind the URL; null until they are there */
    this.instances = null;
    /** Called with the newest message once they are there. */
    this.whenThere = () => {};
    this.leave = new AbortController();
  }

  /**
   * The message with its instances in it; null if they are on their way.
   * @param {Message} data
   * @param {() => void} whenThere called when they have come, or cannot be had
   * @returns {Message | null}
   */
  complete(data, whenThere) {
    const { instances_url: url = "" } = data;
    if (url === "") return data;
    this.whenThere = whenThere;
    if (url !== this.url) {
      this.leave.abort();
      this.leave = new AbortController();
      Object.assign(this, { url, instances: null });
      void this.fetch(url, this.leave.signal);
    }
    if (this.instances === null) return null;
    // What is selected has to be there.
    return { ...data, instances: this.instances };
  }

  /** @param {string} url @param {AbortSignal} signal */
  async fetch(url, signal) {
    try {
      const answer = await fetch(serverUrl(url), { signal });
      if (!answer.ok) throw new Error(`${answer.status} for ${url}`);
      this.instances = await answer.json();
    } catch (error) {
      if (signal.aborted) return;
      console.warn("the instances could not be fetched:", error);
      this.instances = [];
    }
    this.whenThere();
  }

  close() {
    this.leave.abort();
    this.whenThere = () => {};
  }
}

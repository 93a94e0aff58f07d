// What the viewer needs for slides alone: fetched with the first one.

import { FarInstances } from "./far_instances.js";
import { TiledPicture } from "./tiled_picture.js";

export class SlideParts {
  /** @param {() => void} onTile called when more of the picture can be drawn */
  constructor(onTile) {
    this.tiled = new TiledPicture(onTile);
    this.far = new FarInstances();
  }

  close() {
    this.tiled.clear();
    this.far.close();
  }
}

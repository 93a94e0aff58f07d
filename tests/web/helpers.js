// Masks for the tests, made with a seed so that a failure comes back.

/** mulberry32 @param {number} seed */
export function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Rows of "#" and "." to a column-major bitmap. @param {string[]} rows */
export function bitmap(rows) {
  const height = rows.length;
  const width = rows[0].length;
  const bits = new Uint8Array(height * width);
  rows.forEach((row, y) => [...row].forEach((sign, x) => (bits[x * height + y] = sign === "#" ? 1 : 0)));
  return { height, width, bits };
}

/** Random rectangles and specks, so that holes, diagonals and border pixels occur. @param {number} seed */
export function randomMask(seed) {
  const draw = random(seed);
  const height = 1 + Math.floor(draw() * 24);
  const width = 1 + Math.floor(draw() * 24);
  const bits = new Uint8Array(height * width);
  for (let i = 0; i < 5; i += 1) {
    const [x, y] = [Math.floor(draw() * width), Math.floor(draw() * height)];
    const [w, h] = [1 + Math.floor(draw() * width), 1 + Math.floor(draw() * height)];
    const value = draw() < 0.6 ? 1 : 0;
    for (let a = x; a < Math.min(width, x + w); a += 1) {
      bits.fill(value, a * height + y, a * height + Math.min(height, y + h));
    }
  }
  const noise = draw() * 0.5;
  for (let i = 0; i < bits.length; i += 1) if (draw() < noise) bits[i] ^= 1;
  return { height, width, bits };
}

/** COCO's compressed form; written apart from the decoder. @param {{height: number, width: number, bits: Uint8Array}} mask */
export function encode({ height, width, bits }) {
  const counts = [];
  let run = 0;
  let last = 0;
  for (const bit of bits) {
    if (bit !== last) {
      counts.push(run);
      run = 0;
      last = bit;
    }
    run += 1;
  }
  counts.push(run);
  return encodeCounts([height, width], counts);
}

/** Run lengths in COCO's compressed form. @param {[number, number]} size @param {number[]} counts */
export function encodeCounts(size, counts) {
  let text = "";
  counts.forEach((count, i) => {
    let value = i > 2 ? count - counts[i - 2] : count;
    for (let more = true; more;) {
      let group = value & 31;
      value >>= 5;
      more = group & 16 ? value !== -1 : value !== 0;
      if (more) group |= 32;
      text += String.fromCharCode(group + 48);
    }
  });
  return { size, counts: text };
}

/** @param {import("../../pages/components/web/lib/rle.js").Runs} runs */
export function toBits(runs) {
  const bits = new Uint8Array(runs.height * runs.width);
  runs.starts.forEach((start, i) => bits.fill(1, start, runs.ends[i]));
  return bits;
}

/**
 * Fill rings by the even-odd rule: a pixel is inside if a ray from its centre to the left crosses an odd
 * number of edges.
 * @param {ArrayLike<number>[]} rings @param {number} height @param {number} width
 */
export function fillEvenOdd(rings, height, width) {
  const bits = new Uint8Array(height * width);
  for (const ring of rings) {
    for (let i = 0; i < ring.length; i += 2) {
      const [x1, y1] = [ring[i], ring[i + 1]];
      const [x2, y2] = [ring[(i + 2) % ring.length], ring[(i + 3) % ring.length]];
      for (let y = 0; y < height; y += 1) {
        const at = y + 0.5;
        if (y1 < at === y2 < at) continue;
        const cut = x1 + ((at - y1) * (x2 - x1)) / (y2 - y1);
        for (let x = 0; x < width; x += 1) if (x + 0.5 > cut) bits[x * height + y] ^= 1;
      }
    }
  }
  return bits;
}

/** Twice the signed area; positive is clockwise on screen. @param {ArrayLike<number>} ring */
export function doubleArea(ring) {
  let sum = 0;
  for (let i = 0; i < ring.length; i += 2) {
    sum += ring[i] * ring[(i + 3) % ring.length] - ring[(i + 2) % ring.length] * ring[i + 1];
  }
  return sum;
}

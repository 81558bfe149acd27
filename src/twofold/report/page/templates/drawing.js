// From what is drawn to what a network sees: the digit as MNIST has it. What is done, in which order and why, is said in
// twofold.data.preparation (from _as_mnist on) and twofold.data.strokes; the functions here have the names there.
//
// A plane is {values, width, height}: numbers row by row. A box is [left, top, right, bottom], the last two exclusive.

const SIDE = 28, DIGIT_SIDE = 20, FINE_SIDE = 100, MARGIN = 20;
const INKED = 0.5, SPECK = 0.04;
const THINNEST = 0.08, USUAL = 0.12, THICKEST = 0.18;

const plane = (values, width, height) => ({ values, width, height });
const whole = ({ width, height }) => [0, 0, width, height];
const mapped = (of, value) => plane(of.values.map(value), of.width, of.height);

function median(numbers) {
  const sorted = numbers.slice().sort(), half = sorted.length >> 1;
  return sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
}

// How much ink there is where a stroke covers a pixel; 0 where there is none.
function full({ values }) {
  const most = values.reduce((before, value) => Math.max(before, value), 0);
  return most > 0 ? median(values.filter((value) => value > most / 2)) : 0;
}

// The smallest box that holds all that is not 0.
function bounds({ values, width }) {
  let [left, top, right, bottom] = [Infinity, Infinity, 0, 0];
  values.forEach((value, place) => {
    if (value === 0) return;
    const x = place % width, y = Math.floor(place / width);
    [left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x + 1), Math.max(bottom, y + 1)];
  });
  return [left, top, right, bottom];
}

// Width and height with the proportions of the box, of which the longer is as given.
function fitting([left, top, right, bottom], longer) {
  const sides = [right - left, bottom - top];
  return sides.map((side) => Math.max(1, Math.round(side * longer / Math.max(...sides))));
}

function cropped(of, [left, top, right, bottom]) {
  const width = right - left, height = bottom - top;
  const values = new Float64Array(width * height);
  for (let row = 0; row < height; row++) {
    const from = (top + row) * of.width + left;
    values.set(of.values.subarray(from, from + width), row * width);
  }
  return plane(values, width, height);
}

function padded(of, margin) {
  const result = plane(new Float64Array((of.width + 2 * margin) * (of.height + 2 * margin)),
    of.width + 2 * margin, of.height + 2 * margin);
  of.values.forEach((value, place) => {
    result.values[(Math.floor(place / of.width) + margin) * result.width + (place % of.width) + margin] = value;
  });
  return result;
}

// The plane with its rows replaced by sums: `parts` has, of each number of the new rows, [from, weights].
function combined({ values, width, height }, parts) {
  const result = plane(new Float64Array(parts.length * height), parts.length, height);
  for (let y = 0; y < height; y++) {
    parts.forEach(([from, weights], x) => {
      let sum = 0;
      for (let place = 0; place < weights.length; place++) sum += weights[place] * values[y * width + from + place];
      result.values[y * parts.length + x] = sum;
    });
  }
  return result;
}

function transposed({ values, width, height }) {
  return plane(values.map((_, place) => values[(place % height) * width + Math.floor(place / height)]), height, width);
}

const bothWays = (of, columns, rows) => transposed(combined(transposed(combined(of, columns)), rows));

// The weights with which Pillow's resize makes `size` pixels of those from `start` to `end` of `count`.
function resizing(start, end, size, count, { reach, weight }) {
  const scale = (end - start) / size, stretch = Math.max(1, scale);
  return Array.from({ length: size }, (_, place) => {
    const centre = start + (place + 0.5) * scale;
    const from = Math.max(0, Math.floor(centre - reach * stretch + 0.5));
    const to = Math.min(count, Math.floor(centre + reach * stretch + 0.5));
    const weights = Array.from({ length: to - from }, (_, step) => weight((from + step + 0.5 - centre) / stretch));
    const sum = weights.reduce((before, one) => before + one, 0);
    return [from, weights.map((one) => one / sum)];
  });
}

const BOX = { reach: 0.5, weight: (at) => (at > -0.5 && at <= 0.5 ? 1 : 0) };
const BILINEAR = { reach: 1, weight: (at) => Math.max(0, 1 - Math.abs(at)) };

function resized(of, [left, top, right, bottom], [width, height], filter) {
  return bothWays(of, resizing(left, right, width, of.width, filter), resizing(top, bottom, height, of.height, filter));
}

// With a Gaussian of this deviation; the plane is empty at its edges.
function smoothed(of, deviation) {
  const reach = Math.floor(4 * deviation + 0.5);
  const parts = (count) => Array.from({ length: count }, (_, place) => {
    const from = Math.max(0, place - reach), to = Math.min(count, place + reach + 1);
    return [from, Array.from({ length: to - from }, (_, step) => Math.exp(-(((from + step - place) / deviation) ** 2) / 2))];
  });
  const sum = Array.from({ length: 2 * reach + 1 }, (_, step) => Math.exp(-(((step - reach) / deviation) ** 2) / 2))
    .reduce((before, one) => before + one, 0);
  return mapped(bothWays(of, parts(of.width), parts(of.height)), (value) => value / sum ** 2);
}

// What hangs together in a mask gets one number, from 1 on; how large each thing is comes with it.
function things({ values, width, height }) {
  const numbers = new Int32Array(values.length), sizes = [0];
  values.forEach((value, start) => {
    if (value === 0 || numbers[start] > 0) return;
    const number = sizes.push(0) - 1, waiting = [start];
    numbers[start] = number;
    while (waiting.length > 0) {
      const place = waiting.pop(), x = place % width, y = Math.floor(place / width);
      sizes[number] += 1;
      for (let row = Math.max(0, y - 1); row <= Math.min(height - 1, y + 1); row++) {
        for (let column = Math.max(0, x - 1); column <= Math.min(width - 1, x + 1); column++) {
          const next = row * width + column;
          if (values[next] === 0 || numbers[next] > 0) continue;
          numbers[next] = number;
          waiting.push(next);
        }
      }
    }
  });
  return { numbers, sizes };
}

function withoutSpecks(mask) {
  const { numbers, sizes } = things(mask);
  const least = SPECK * Math.max(...sizes);
  return mapped(mask, (value, place) => (value > 0 && sizes[numbers[place]] >= least ? 1 : 0));
}

// The mask, larger by a pixel upwards, downwards and to both sides, so many times; it is empty at its edges.
function grown(mask, times) {
  const { values, width } = mask;
  if (times === 0) return mask;
  const near = (place) => values[place] || values[place - 1] || values[place + 1] || values[place - width] || values[place + width];
  return grown(mapped(mask, (_, place) => (near(place) ? 1 : 0)), times - 1);
}

// The digit alone, its longer side of FINE_SIDE pixels, with a margin, and smooth; null where there is no ink.
function enlarged(ink) {
  const coarseness = Math.max(1, Math.floor(Math.max(ink.width, ink.height) / FINE_SIDE));
  const box = bounds(ink);
  if (box[2] === 0) return null;
  const roomy = padded(cropped(ink, box), 1 + 2 * coarseness);
  const smooth = coarseness > 1 ? smoothed(roomy, coarseness / 2) : roomy;
  const level = INKED * full(smooth);
  const mask = withoutSpecks(mapped(smooth, (value) => (value >= level ? 1 : 0)));
  const near = grown(mask, 1 + coarseness);
  const digit = mapped(roomy, (value, place) => value * near.values[place]);
  const [left, top, right, bottom] = bounds(mask);
  const around = [left - 1, top - 1, right + 1, bottom + 1];
  return smoothed(padded(resized(digit, around, fitting(around, FINE_SIDE), BILINEAR), MARGIN), 1);
}

// The distance of each pixel from the nearest that is 0 in the mask.
function depths({ values, width, height }) {
  const across = new Float64Array(values.length);
  for (let y = 0; y < height; y++) {
    for (const [first, end, step] of [[0, width, 1], [width - 1, -1, -1]]) {
      let distance = Infinity;
      for (let x = first; x !== end; x += step) {
        const place = y * width + x;
        distance = values[place] === 0 ? 0 : distance + 1;
        across[place] = step > 0 ? distance : Math.min(across[place], distance);
      }
    }
  }
  return values.map((value, place) => {
    if (value === 0) return 0;
    const y = Math.floor(place / width);
    let least = across[place] ** 2;
    for (const [edge, step] of [[-1, -1], [height, 1]]) {
      for (let row = y + step; row !== edge && (row - y) ** 2 < least; row += step) {
        least = Math.min(least, (row - y) ** 2 + across[place + (row - y) * width] ** 2);
      }
    }
    return Math.sqrt(least);
  });
}

// The lines of one pixel's width in the middle of strokes (Zhang and Suen, 1984).
function centreLine(mask) {
  const inked = mask.values.slice(), { width } = mask;
  const around = [-width, 1 - width, 1, width + 1, width, width - 1, -1, -width - 1];
  let places = Array.from(inked.keys()).filter((place) => inked[place] > 0);
  for (let before = Infinity; places.length < before;) {
    before = places.length;
    for (const southEast of [true, false]) {
      const gone = places.filter((place) => {
        const ring = around.map((step) => inked[place + step]);
        const count = ring.reduce((sum, value) => sum + value, 0);
        const beginnings = ring.filter((value, at) => value === 0 && ring[(at + 1) % 8] > 0).length;
        const [north, , east, , south, , west] = ring;
        const inside = southEast ? east && south && (north || west) : north && west && (east || south);
        return count >= 2 && count <= 6 && beginnings === 1 && !inside;
      });
      for (const place of gone) inked[place] = 0;
      places = places.filter((place) => inked[place] > 0);
    }
  }
  return inked;
}

// The drawing with strokes of MNIST's usual width; as it is where they are as wide as MNIST's can be.
function asMnists(mask) {
  const depth = depths(mask), deepest = depth.reduce((most, value) => Math.max(most, value), 0);
  const line = centreLine(mask).map((value, place) => (value > 0 || depth[place] === deepest ? 1 : 0));
  const width = 2 * median(depth.filter((_, place) => line[place] > 0));
  const [left, top, right, bottom] = bounds(mask);
  const longer = Math.max(right - left, bottom - top);
  if (THINNEST <= width / longer && width / longer <= THICKEST) return mask;
  const wanted = USUAL / (1 - USUAL) * (longer - width);
  const from = (values) => depths(mapped(plane(values, mask.width, mask.height), (value) => 1 - value));
  if (wanted > width) {
    const beside = from(mask.values);
    return mapped(mask, (_, place) => (beside[place] <= (wanted - width) / 2 ? 1 : 0));
  }
  const beside = from(line);
  return mapped(mask, (_, place) => (depth[place] > (width - wanted) / 2 || beside[place] <= wanted / 2 ? 1 : 0));
}

// The digit in an empty image of SIDE x SIDE, moved by whole pixels so that its centre of mass is in the middle.
function centred({ values, width }) {
  let [mass, atX, atY] = [0, 0, 0];
  values.forEach((value, place) => {
    mass += value;
    atX += value * (place % width);
    atY += value * Math.floor(place / width);
  });
  const [left, top] = [atX, atY].map((sum) => Math.round((SIDE - 1) / 2 - sum / mass));
  const image = plane(new Float64Array(SIDE * SIDE), SIDE, SIDE);
  values.forEach((value, place) => {
    const x = left + (place % width), y = top + Math.floor(place / width);
    if (x >= 0 && x < SIDE && y >= 0 && y < SIDE) image.values[y * SIDE + x] = value;
  });
  return image;
}

// Ink (0 to 255, width x height) as an image of (height, width) for the network; null where there is no ink.
function prepare(ink, width, height, [imageHeight, imageWidth]) {
  const fine = enlarged(plane(Float64Array.from(ink, (value) => value / 255), width, height));
  if (fine === null) return null;
  const level = INKED * full(fine);
  const strokes = asMnists(mapped(fine, (value) => (value >= level ? 1 : 0)));
  const box = bounds(strokes);
  const digit = centred(mapped(resized(strokes, box, fitting(box, DIGIT_SIDE), BOX), (value) => 255 * value));
  return resized(digit, whole(digit), [imageWidth, imageHeight], BOX).values;
}

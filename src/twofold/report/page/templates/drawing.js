// From strokes to what a network sees: MNIST's own preparation (LeCun, Cortes and Burges, "The MNIST database of
// handwritten digits"): the digit is cropped, fitted into 20x20 of 28x28 pixels keeping its proportions, and moved
// so that its centre of mass is the middle. Then, as in the paper, 2x2 average pooling.

// The smallest rectangle that holds all ink, or null where there is none.
function inkBounds(ink, width, height) {
  let [left, top, right, bottom] = [width, height, -1, -1];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (ink[y * width + x] === 0) continue;
      [left, right] = [Math.min(left, x), Math.max(right, x)];
      [top, bottom] = [Math.min(top, y), Math.max(bottom, y)];
    }
  }
  return right < 0 ? null : { left, top, width: right - left + 1, height: bottom - top + 1 };
}

// How much of each source pixel, along one axis, lies in the target pixel [start, start + scale).
function overlaps(start, scale, size) {
  const parts = [];
  for (let place = Math.max(0, Math.floor(start)); place < Math.min(size, Math.ceil(start + scale)); place++) {
    parts.push([place, Math.min(place + 1, start + scale) - Math.max(place, start)]);
  }
  return parts;
}

// A part of the ink, averaged by area into an image of the given size.
function shrink(ink, inkWidth, bounds, width, height) {
  const scaleX = bounds.width / width, scaleY = bounds.height / height;
  const image = new Float64Array(width * height);
  for (let y = 0; y < height; y++) {
    const rows = overlaps(y * scaleY, scaleY, bounds.height);
    for (let x = 0; x < width; x++) {
      let sum = 0;
      for (const [column, wide] of overlaps(x * scaleX, scaleX, bounds.width)) {
        for (const [row, high] of rows) {
          sum += wide * high * ink[(bounds.top + row) * inkWidth + bounds.left + column];
        }
      }
      image[y * width + x] = sum / (scaleX * scaleY);
    }
  }
  return image;
}

function centreOfMass(image, width) {
  let [mass, atX, atY] = [0, 0, 0];
  image.forEach((value, place) => {
    mass += value;
    atX += value * (place % width);
    atY += value * Math.floor(place / width);
  });
  return [atX / mass, atY / mass];
}

// The image moved into the middle of an empty one of the given size, by whole pixels.
function centred(image, width, height, fullWidth, fullHeight) {
  const [atX, atY] = centreOfMass(image, width);
  const left = Math.round((fullWidth - 1) / 2 - atX), top = Math.round((fullHeight - 1) / 2 - atY);
  const full = new Float64Array(fullWidth * fullHeight);
  image.forEach((value, place) => {
    const x = left + (place % width), y = top + Math.floor(place / width);
    if (x >= 0 && x < fullWidth && y >= 0 && y < fullHeight) full[y * fullWidth + x] = value;
  });
  return full;
}

function averagePool(image, width, height) {
  const columns = width / 2;
  const pooled = new Float64Array(columns * height / 2);
  pooled.forEach((_, place) => {
    const corner = 2 * Math.floor(place / columns) * width + 2 * (place % columns);
    pooled[place] = (image[corner] + image[corner + 1] + image[corner + width] + image[corner + width + 1]) / 4;
  });
  return pooled;
}

// Ink (0 to 255, width x height) as an image of (height, width) for the network; null where there is no ink.
function prepare(ink, width, height, [imageHeight, imageWidth]) {
  const bounds = inkBounds(ink, width, height);
  if (bounds === null) return null;
  const fullWidth = 2 * imageWidth, fullHeight = 2 * imageHeight;
  const box = Math.round(Math.min(fullWidth, fullHeight) * 20 / 28);
  const scale = box / Math.max(bounds.width, bounds.height);
  const inside = [bounds.width, bounds.height].map((side) => Math.max(1, Math.round(side * scale)));
  const small = shrink(ink, width, bounds, ...inside);
  return averagePool(centred(small, ...inside, fullWidth, fullHeight), fullWidth, fullHeight);
}

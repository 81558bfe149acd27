// The forward pass of the two-branch network (paper, section III), as twofold.networks computes it.
//
// A network is {conv1, conv2, dense1, dense2, head1, head2}, each {weight, bias, shape}. Arrays are flat, the last
// axis fastest: convolutions (branch, 3, 3, in, out), dense layers (branch, in, out). A single branch serves both
// images. An image is a flat array of values, row by row; of colour, each channel after the other.

const decodeBytes = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
const decodeFloats = (base64) => new Float32Array(decodeBytes(base64).buffer);

// An image, as encoding.image_of has it.
function decodeImage({ values, bytes, parts }) {
  const { buffer } = decodeBytes(values);
  const numbers = { 1: Uint8Array, 2: Uint16Array, 4: Float32Array }[bytes];
  return Float32Array.from(new numbers(buffer), (value) => value / parts);
}

// Weights, exact or as encoding.rounded has them: a whole number of steps, which each branch and unit has its own of.
function decodeWeights({ weight, rounded, steps, shape }) {
  if (weight !== undefined) return decodeFloats(weight);
  const whole = new Int8Array(decodeBytes(rounded).buffer), step = decodeFloats(steps);
  const units = shape[shape.length - 1], branch = whole.length / shape[0];
  return Float32Array.from(whole, (value, place) => value * step[Math.floor(place / branch) * units + (place % units)]);
}

function decodeNetwork(encoded) {
  const layers = {};
  for (const [name, layer] of Object.entries(encoded.layers)) {
    layers[name] = { weight: decodeWeights(layer), bias: decodeFloats(layer.bias), shape: layer.shape };
  }
  return { ...encoded, layers };
}

// One branch's part of a layer, and how many numbers enter and leave it.
function branchOf(layer, side) {
  const branch = Math.min(side, layer.shape[0] - 1);
  const [inputs, outputs] = layer.shape.slice(-2);
  const size = layer.weight.length / layer.shape[0];
  return {
    weight: layer.weight.subarray(branch * size, (branch + 1) * size),
    bias: layer.bias.subarray(branch * outputs, (branch + 1) * outputs),
    inputs,
    outputs,
  };
}

// A 3x3 convolution without padding on an input of (height, width, channels).
function convolve(input, height, width, { weight, bias, inputs, outputs }) {
  const rows = height - 2, columns = width - 2;
  const result = new Float64Array(rows * columns * outputs);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const start = (row * columns + column) * outputs;
      for (let out = 0; out < outputs; out++) result[start + out] = bias[out];
      for (let place = 0; place < 9; place++) {
        const from = ((row + Math.floor(place / 3)) * width + column + (place % 3)) * inputs;
        for (let channel = 0; channel < inputs; channel++) {
          const value = input[from + channel];
          if (value === 0) continue;
          const kernel = (place * inputs + channel) * outputs;
          for (let out = 0; out < outputs; out++) result[start + out] += value * weight[kernel + out];
        }
      }
    }
  }
  return result;
}

// 2x2 max pooling, which drops an odd last row or column, then ReLU.
function poolRelu(input, height, width, channels) {
  const rows = height >> 1, columns = width >> 1;
  const result = new Float64Array(rows * columns * channels);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      for (let channel = 0; channel < channels; channel++) {
        const corner = (2 * row * width + 2 * column) * channels + channel;
        const below = corner + width * channels;
        result[(row * columns + column) * channels + channel] = Math.max(
          0, input[corner], input[corner + channels], input[below], input[below + channels]);
      }
    }
  }
  return result;
}

function dense(input, { weight, bias, outputs }) {
  const result = Float64Array.from(bias);
  input.forEach((value, place) => {
    if (value === 0) return;
    for (let out = 0; out < outputs; out++) result[out] += value * weight[place * outputs + out];
  });
  return result;
}

const relu = (values) => values.map((value) => Math.max(0, value));

function softmax(logits) {
  const most = Math.max(...logits);
  const powers = Array.from(logits, (logit) => Math.exp(logit - most));
  const total = powers.reduce((sum, power) => sum + power, 0);
  return powers.map((power) => power / total);
}

// An image whose channels follow each other, as (height, width, channels).
function channelsLast(image, channels) {
  const pixels = image.length / channels;
  return image.map((_, place) => image[(place % channels) * pixels + Math.floor(place / channels)]);
}

// The bottleneck units of one branch for one image, one for each class, before their activation.
function readImage(network, image, side) {
  const layer = (name) => branchOf(network.layers[name], side);
  let [height, width] = network.image_size;
  const scaled = image.map((value) => (value - network.pixel_mean) / network.pixel_deviation);
  let hidden = channelsLast(scaled, layer("conv1").inputs);
  for (const name of ["conv1", "conv2"]) {
    const block = layer(name);
    hidden = poolRelu(convolve(hidden, height, width, block), height - 2, width - 2, block.outputs);
    [height, width] = [(height - 2) >> 1, (width - 2) >> 1];
  }
  return dense(relu(dense(hidden, layer("dense1"))), layer("dense2"));
}

// What the network says of two images: {logits, classLogits}, as twofold.networks.protocol.Outputs has them for one pair.
function comparePair(network, first, second) {
  const classLogits = [readImage(network, first, 0), readImage(network, second, 1)];
  const both = classLogits.flatMap((units) => Array.from(units, (u) => (u > 0 ? u : network.negative_slope * u)));
  const hidden = relu(dense(both, branchOf(network.layers.head1, 0)));
  return { logits: dense(hidden, branchOf(network.layers.head2, 0)), classLogits };
}

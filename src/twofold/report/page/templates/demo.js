// The two pads, the answers, and the gallery of mistakes. Digits can be drawn; other images are chosen.

const demo = JSON.parse(document.getElementById("demo-data").textContent);
const answers = decodeBytes(demo.holds);
const demoNetworks = demo.networks.map(decodeNetwork);
const pads = [...document.querySelectorAll("#demo .pad")].map(makePad);

// A stroke's width, as a part of the pad's: thin enough that small drawings stay clear. The preparation makes it MNIST's.
const STROKE = 0.04;

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

const inPercent = (probability, places = 1) => `${(100 * probability).toFixed(places)}\u00a0%`;

// Images of three channels are colours; of others the mean of the channels is shown.
function paint(canvas, image) {
  const [height, width] = demo.image_size, size = height * width;
  const channels = image.length / size;
  Object.assign(canvas, { width, height });
  const pixels = new ImageData(width, height);
  for (let place = 0; place < size; place++) {
    const values = Array.from({ length: channels }, (_, channel) => 255 * image[channel * size + place] / demo.white);
    const mean = values.reduce((sum, value) => sum + value, 0) / channels;
    pixels.data.set([...(channels === 3 ? values : [mean, mean, mean]), 255], 4 * place);
  }
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

function thumbnail(image) {
  const canvas = element("canvas", { className: "thumbnail" });
  canvas.setAttribute("aria-hidden", "true");
  paint(canvas, image);
  return canvas;
}

const empty = () => new Float64Array(demo.image_size[0] * demo.image_size[1]);
const named = (labels) => labels.map((label) => demo.class_names[label]).join(" and ");

// One pad: where an image is drawn or shown. `image` is what the networks see of it, null where it is empty.
function makePad(root, side) {
  const canvas = root.querySelector(".drawing");
  const pad = { image: null, label: null, show, clear, see };

  function clear() {
    canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
    see(null, null);
  }

  function show(image, label, name = null) {
    const context = canvas.getContext("2d"), picture = thumbnail(image);
    const scale = Math.min(canvas.width / picture.width, canvas.height / picture.height);
    const [width, height] = [picture.width * scale, picture.height * scale];
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingEnabled = false;
    context.drawImage(picture, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
    see(image, label, name);
  }

  function see(image, label, name = null) {
    Object.assign(pad, { image, label });
    const seen = root.querySelector(".seen");
    if (seen) paint(seen, image ?? empty());
    const chosen = root.querySelector(".chosen");
    const refused = root.querySelector(".refused");
    if (refused) refused.textContent = "";
    if (chosen) chosen.textContent = name ?? (label === null ? "none chosen" : demo.class_names[label]);
    root.querySelectorAll(".examples button").forEach((button) => {
      button.setAttribute("aria-pressed", button.shows === image && image !== null);
    });
    answer();
  }

  root.querySelector(".clear").addEventListener("click", clear);
  root.querySelector(".examples").append(...demo.examples[side].map((example) => exampleButton(example, show)));
  if (demo.drawn) makeDrawable(canvas, pad);
  if (root.querySelector(".own")) takePictures(root, pad);
  return pad;
}

function exampleButton({ label, image }, show) {
  const shown = decodeImage(image), name = demo.class_names[label];
  const button = element("button", { type: "button", shows: shown }, thumbnail(shown));
  button.title = demo.drawn ? `a ${name} from the test digits` : `${name}, a test image`;
  button.setAttribute("aria-label", button.title);
  if (!demo.drawn) button.append(element("span", {}, name));
  button.addEventListener("click", () => {
    show(shown, label);
    bringAnswers();
  });
  return button;
}

// What a mouse, a finger or a pen does on a pad.
function makeDrawable(canvas, pad) {
  const context = canvas.getContext("2d", { willReadFrequently: true });
  let last = null, waiting = false;

  function place(event) {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) * canvas.width / box.width, (event.clientY - box.top) * canvas.height / box.height];
  }

  function strokeTo(point) {
    Object.assign(context, { lineWidth: STROKE * canvas.width, lineCap: "round", lineJoin: "round", strokeStyle: "white" });
    context.beginPath();
    context.moveTo(...(last ?? point));
    context.lineTo(...point);
    context.stroke();
    last = point;
  }

  function read() {
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    const ink = Float64Array.from({ length: canvas.width * canvas.height }, (_, pixel) => data[4 * pixel + 3]);
    const image = prepare(ink, canvas.width, canvas.height, demo.image_size);
    pad.see(image && image.map((value) => value * demo.white / 255), null);
  }

  // While the pen moves the answers follow as fast as the machine can, and no faster.
  function readSoon() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
      waiting = false;
      if (last !== null) read();
    });
  }

  function end() {
    if (last === null) return;
    last = null;
    read();
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (pad.label !== null) pad.clear();
    canvas.setPointerCapture(event.pointerId);
    last = null;
    strokeTo(place(event));
    readSoon();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (last === null) return;
    strokeTo(place(event));
    readSoon();
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, end);
}

function reading(classLogits) {
  const probabilities = softmax(classLogits);
  const likeliest = probabilities.indexOf(Math.max(...probabilities));
  return `${demo.class_names[likeliest]} (${inPercent(probabilities[likeliest])})`;
}

// Ask every network about the two images, and write its answers.
function answer() {
  const [first, second] = pads;
  const ready = first.image && second.image;
  document.querySelectorAll("#answers tbody tr").forEach((row, place) => {
    const network = demoNetworks[place];
    const { logits, classLogits } = ready ? comparePair(network, first.image, second.image) : {};
    const probability = ready ? softmax(logits)[1] : 0;
    row.querySelector(".probability").textContent = ready ? inPercent(probability) : "–";
    row.querySelector(".bar span").style.width = `${100 * probability}%`;
    row.querySelector(".reads").textContent =
      !network.auxiliary_losses ? demo.unnamed : ready ? classLogits.map(reading).join(" and ") : "–";
  });
  document.getElementById("truth").textContent = truth(first, second);
}

// The table of answers has a bit for each two classes, row by row, the highest of a byte first.
function holdsFor(first, second) {
  const place = first * demo.class_names.length + second;
  return (answers[place >> 3] >> (7 - (place & 7))) & 1;
}

// What was answered to images that were just picked is brought to where it is seen, unless it is there.
// The images are above them, and the upper of both stays where there is no room for all.
function bringAnswers() {
  if (pads.every((pad) => pad.image)) document.getElementById("answers").scrollIntoView({ block: "nearest" });
  document.querySelector("#demo .drawing").scrollIntoView({ block: "nearest" });
}

function truth(first, second) {
  if (!first.image || !second.image) return demo.invitation;
  if (first.label === null || second.label === null) return "Is it right?";
  const holds = holdsFor(first.label, second.label);
  return `In fact these are ${named([first.label, second.label])}: “${demo.statement}” is ${holds ? "true" : "false"}.`;
}

function mistakeButton({ images, classes, probability }) {
  const shown = images.map(decodeImage);
  const sure = Math.max(probability, 1 - probability);
  const said = `${probability > 0.5}, ${sure >= 0.995 ? "over 99\u00a0%" : inPercent(sure, 0)}`;
  const button = element("button", { type: "button" },
    element("span", { className: "two" }, ...shown.map(thumbnail)),
    element("span", {}, named(classes)), element("span", { className: "faint" }, said));
  button.setAttribute("aria-label", `${named(classes)}: it said ${said} sure`);
  button.addEventListener("click", () => {
    pads.forEach((pad, side) => pad.show(shown[side], classes[side]));
    document.getElementById("demo").scrollIntoView({ block: "start" });
  });
  return button;
}

demo.mistakes.forEach(({ pairs }, place) => {
  document.querySelectorAll("#mistakes .gallery")[place].append(...pairs.map(mistakeButton));
});
pads.forEach((pad) => pad.clear());

// The two pads, the answers, and the gallery of mistakes.

const demo = JSON.parse(document.getElementById("demo-data").textContent);
const demoNetworks = demo.networks.map(decodeNetwork);
const pads = [...document.querySelectorAll("#demo .pad")].map(makePad);

// A stroke's width, as a part of the pad's: after MNIST's preparation it is as thick as a pen's.
const STROKE = 0.085;

function element(name, properties = {}, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

const inPercent = (probability, places = 1) => `${(100 * probability).toFixed(places)}\u00a0%`;

function paint(canvas, image) {
  const [height, width] = demo.image_size;
  Object.assign(canvas, { width, height });
  const pixels = new ImageData(width, height);
  image.forEach((value, place) => {
    const grey = 255 * value / demo.white;
    pixels.data.set([grey, grey, grey, 255], 4 * place);
  });
  canvas.getContext("2d").putImageData(pixels, 0, 0);
}

function thumbnail(image) {
  const canvas = element("canvas", { className: "thumbnail" });
  canvas.setAttribute("aria-hidden", "true");
  paint(canvas, image);
  return canvas;
}

// One pad: where a digit is drawn or shown. `image` is what the networks see of it, null where it is empty.
function makePad(root, side) {
  const canvas = root.querySelector(".drawing");
  const context = canvas.getContext("2d", { willReadFrequently: true });
  const pad = { image: null, label: null, show, clear };
  let last = null;

  function clear() {
    context.clearRect(0, 0, canvas.width, canvas.height);
    Object.assign(pad, { image: null, label: null });
    refresh();
  }

  function show(image, label) {
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.imageSmoothingEnabled = false;
    context.drawImage(thumbnail(image), 0, 0, canvas.width, canvas.height);
    Object.assign(pad, { image, label });
    refresh();
  }

  function refresh() {
    const seen = root.querySelector(".seen");
    paint(seen, pad.image ?? new Float64Array(demo.image_size[0] * demo.image_size[1]));
    answer();
  }

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
    const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
    const ink = Float64Array.from({ length: canvas.width * canvas.height }, (_, pixel) => data[4 * pixel + 3]);
    pad.image = prepare(ink, canvas.width, canvas.height, demo.image_size)?.map((value) => value * demo.white / 255);
    refresh();
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (pad.label !== null) clear();
    canvas.setPointerCapture(event.pointerId);
    last = null;
    strokeTo(place(event));
  });
  canvas.addEventListener("pointermove", (event) => {
    if (last !== null) strokeTo(place(event));
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { last = null; });
  root.querySelector(".clear").addEventListener("click", clear);

  for (const { label, image } of demo.examples[side]) {
    const digit = decodeFloats(image);
    const button = element("button", { type: "button", title: `a ${label} from the test digits` }, thumbnail(digit));
    button.setAttribute("aria-label", button.title);
    button.addEventListener("click", () => show(digit, label));
    root.querySelector(".examples").append(button);
  }
  return pad;
}

function reading(digitLogits) {
  const probabilities = softmax(digitLogits);
  const digit = probabilities.indexOf(Math.max(...probabilities));
  return `${digit} (${inPercent(probabilities[digit])})`;
}

// Ask every network about the two digits, and write its answers.
function answer() {
  const [first, second] = pads;
  const ready = first.image && second.image;
  document.querySelectorAll("#answers tbody tr").forEach((row, place) => {
    const network = demoNetworks[place];
    const { logits, digitLogits } = ready ? comparePair(network, first.image, second.image) : {};
    const probability = ready ? softmax(logits)[1] : 0;
    row.querySelector(".probability").textContent = ready ? inPercent(probability) : "–";
    row.querySelector(".bar span").style.width = `${100 * probability}%`;
    row.querySelector(".reads").textContent =
      !network.auxiliary_losses ? "not trained to name digits" : ready ? digitLogits.map(reading).join(" and ") : "–";
  });
  document.getElementById("truth").textContent = truth(first, second);
}

function truth(first, second) {
  if (!first.image || !second.image) return "Draw two digits, or pick them from the test digits.";
  if (first.label === null || second.label === null) return "Is it right?";
  const holds = demo.holds[first.label][second.label];
  return `In fact these are ${first.label} and ${second.label}: “${demo.statement}” is ${holds ? "true" : "false"}.`;
}

function mistakeButton({ images, classes, probability }) {
  const digits = images.map(decodeFloats);
  const said = probability > 0.5 ? `true, ${inPercent(probability, 0)}` : `false, ${inPercent(1 - probability, 0)}`;
  const button = element("button", { type: "button" },
    element("span", { className: "two" }, ...digits.map(thumbnail)),
    element("span", {}, classes.join(" and ")), element("span", { className: "faint" }, said));
  button.setAttribute("aria-label", `${classes.join(" and ")}: it said ${said} sure`);
  button.addEventListener("click", () => {
    pads.forEach((pad, side) => pad.show(digits[side], classes[side]));
    document.getElementById("demo").scrollIntoView({ block: "start" });
  });
  return button;
}

demo.mistakes.forEach(({ pairs }, place) => {
  document.querySelectorAll("#mistakes .gallery")[place].append(...pairs.map(mistakeButton));
});
pads.forEach((pad) => pad.clear());

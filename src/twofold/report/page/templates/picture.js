// A picture of the visitor's own as a network sees one: twofold.data.form does the same to pictures.

// Of a larger picture the browser makes one of this size first: it would take too much memory.
const MOST_SIDE = 2048;

async function readPicture(file) {
  const bitmap = await createImageBitmap(file);
  const shrink = Math.min(1, MOST_SIDE / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((side) => Math.max(1, Math.round(side * shrink)));
  const context = element("canvas", { width, height }).getContext("2d");
  Object.assign(context, { fillStyle: "white", imageSmoothingQuality: "high" });
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0, width, height);
  return inForm(context.getImageData(0, 0, width, height));
}

// Red, green and blue, brought to the size of the study's images; grey where those are; then pooled as they were.
function inForm({ data, width, height }) {
  const { size: [rows, columns], pool, channels } = demo.form;
  const planes = [0, 1, 2].map((colour) => {
    const all = plane(Float64Array.from({ length: width * height }, (_, place) => data[4 * place + colour]), width, height);
    return mapped(resized(all, whole(all), [columns, rows], BILINEAR), Math.round);
  });
  const [red, green, blue] = planes.map(({ values }) => values);
  const grey = mapped(planes[0], (_, place) => 0.299 * red[place] + 0.587 * green[place] + 0.114 * blue[place]);
  const seen = channels === 1 ? [grey] : planes;
  const pooled = seen.map((of) => resized(of, whole(of), [columns / pool, rows / pool], BOX).values);
  return Float64Array.from(pooled.flatMap((values) => Array.from(values)));
}

// A file that is picked or dropped on a pad is shown there.
function takePictures(root, pad) {
  const take = async ([file]) => {
    if (!file) return;
    try {
      pad.show(await readPicture(file), null, file.name);
      bringAnswers();
    } catch {
      pad.clear();
      root.querySelector(".refused").textContent = "This browser cannot read it as a picture.";
    }
  };
  const input = root.querySelector(".own input");
  input.addEventListener("change", () => { take(input.files); });
  input.addEventListener("click", () => { input.value = ""; });
  root.addEventListener("dragover", (event) => event.preventDefault());
  root.addEventListener("drop", (event) => {
    event.preventDefault();
    take(event.dataTransfer.files);
  });
}

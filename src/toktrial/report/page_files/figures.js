// Saves what a figure shows, as PNG or as CSV, and copies what stands in a block of code. Nothing leaves the page but by a click.
const charts = JSON.parse(document.getElementById("charts").textContent);
const PIXELS = 2; // of a PNG for each of the page

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

function csvOf(rows) {
  const columns = [...new Set(rows.flatMap(Object.keys))];
  const cell = (value) => (/[",\n\r]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  const lines = [columns, ...rows.map((row) => columns.map((column) => row[column] ?? ""))];
  return lines.map((line) => line.map((value) => cell(String(value))).join(",") + "\n").join("");
}

async function savePicture(figure, name) {
  const drawn = figure.querySelector(".chart svg");
  const { width, height } = drawn.viewBox.baseVal;
  const alone = drawn.cloneNode(true);
  alone.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  alone.setAttribute("width", width);
  alone.setAttribute("height", height);
  const image = new Image();
  image.src = `data:image/svg+xml,${encodeURIComponent(new XMLSerializer().serializeToString(alone))}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [PIXELS * width, PIXELS * height];
  const context = canvas.getContext("2d");
  context.fillStyle = "white";
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => save(blob, `${name}.png`));
}

async function copy(block, button) {
  getSelection().selectAllChildren(block); // a reader can copy it where the browser does not let a page do so
  const written = navigator.clipboard?.writeText(block.textContent) ?? Promise.reject();
  button.textContent = await written.then(() => "Copied", () => "Selected: press Ctrl-C");
}

function add(place, label, title, act) {
  const button = document.createElement("button");
  Object.assign(button, { type: "button", textContent: label, title });
  button.addEventListener("click", () => act(button));
  place.append(button);
}

for (const figure of document.querySelectorAll("figure[data-name]")) {
  const { name } = figure.dataset;
  const place = document.createElement("span");
  place.className = "save";
  figure.querySelector("figcaption").append(place);
  add(place, "PNG", "Save this figure as a picture", () => savePicture(figure, name));
  add(place, "CSV", "Save the numbers of this figure", () => save(new Blob([csvOf(charts.figures[name])], { type: "text/csv" }), `${name}.csv`));
}
for (const block of document.querySelectorAll("pre")) {
  const place = document.createElement("p");
  place.className = "save";
  block.before(place);
  add(place, block.dataset.language === "bibtex" ? "Copy BibTeX" : "Copy", "Copy these lines", (button) => copy(block, button));
}

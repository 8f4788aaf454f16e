// Draws the learning curves, and draws them anew when a reader chooses another axis or scale.
// `charts` is that of figures.js, which stands before it.
const controls = document.getElementById("chart-controls");
const figures = document.querySelector(".figures");
const views = new Map();
let drawing = Promise.resolve();

function chosen() {
  const { axis, across, upward, control } = Object.fromEntries(new FormData(controls));
  return { axis, across, upward, control: control === "on" };
}

function specificationOf(name, { specifications, axes }, { axis, across, upward, control }) {
  const specification = structuredClone(control ? specifications.control : specifications.plain);
  const { title, description, format, domains, names, dataset } = axes[axis];
  const { x, y } = specification.encoding;
  specification.transform[0].calculate = `datum.${axis}`;
  x.title = title;
  x.axis.format = format;
  x.scale.type = across;
  if (across === "log") delete x.scale.zero; // no logarithm has a zero to show
  y.scale.type = name === "difference" ? "linear" : upward; // no logarithm has a sign
  y.scale.domain = domains[upward];
  specification.params[0].value = domains[upward][1];
  specification.params[1].value = domains[upward][0];
  const shown = (row) => control || !row.control;
  const rows = charts.datasets[dataset].filter((row) => shown(row) && (across === "linear" || row[axis] > 0));
  return { ...specification, description, datasets: { rows, labels: names[name === "difference" ? "linear" : upward].filter(shown) } };
}

async function draw(name, measure, choice) {
  const place = document.getElementById(name);
  const { heading, captions } = measure.axes[choice.axis];
  const figure = place.closest("figure");
  figure.querySelector("figcaption strong").textContent = heading;
  figure.querySelector("figcaption .caption").textContent = choice.upward === "linear" ? captions.linear : captions.log;
  const specification = specificationOf(name, measure, choice);
  charts.figures[name] = specification.datasets.rows;
  views.get(name)?.finalize();
  views.set(name, await vegaEmbed(place, specification, { actions: false, renderer: "svg", ast: true }));
}

async function drawAll(choice) {
  for (const [name, measure] of Object.entries(charts.measures)) await draw(name, measure, choice);
}

// One after the other: a quick second choice must not be overtaken by the first.
function redraw() {
  const choice = chosen();
  const mine = drawing.then(() => drawAll(choice));
  drawing = mine;
  figures.ariaBusy = "true";
  mine.then(() => { if (drawing === mine) figures.ariaBusy = "false"; });
}

controls.hidden = false;
controls.addEventListener("change", redraw);
redraw();

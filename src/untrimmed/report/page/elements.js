// Making and filling elements.

const element = (id) => document.getElementById(id);

function make(name, { text, ...properties } = {}, ...children) {
  const node = Object.assign(document.createElement(name), properties);
  if (text !== undefined) node.textContent = text;
  node.append(...children);
  return node;
}

function svg(name, attributes, parent) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  if (parent) parent.append(node);
  return node;
}

function filledIn(output, entries) {
  output.replaceChildren(
    ...entries.map(([name, value]) =>
      make("div", {}, make("dt", { text: name }), make("dd", { text: value })),
    ),
  );
}

const plural = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;
const colourName = (label) => `colour-${label % 20}`;

function clock(time, decimals = 2) {
  const ticks = Math.round(time * 10 ** decimals);
  const seconds = Math.floor(ticks / 10 ** decimals);
  const two = (number) => String(number).padStart(2, "0");
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const whole = h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
  const rest = String(ticks % 10 ** decimals).padStart(decimals, "0");
  return decimals ? `${whole}.${rest}` : whole;
}

const span = ({ start, end }, decimals = 2) =>
  `${clock(start, decimals)} – ${clock(end, decimals)}`;
const percent = (share) => (Number.isFinite(share) ? (100 * share).toFixed(1) : "–");

// Draws what the model knows. Text from outside is only ever text: nothing here parses markup.
import { coins, describe, rateOf, short } from "./model.js";

const byId = (id) => document.getElementById(id);

/** An element with attributes and children; a child that is no element is text. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** The latest rows of a list that only grows, the newest first: what is drawn already stays as it is. */
export class Rows {
  constructor(body, most, draw) {
    Object.assign(this, { body, most, draw, last: null });
  }

  show(rows, key) {
    const fresh = [];
    for (let index = rows.length - 1; index >= 0 && fresh.length < this.most; index -= 1) {
      if (key(rows[index]) === this.last) break;
      fresh.push(rows[index]);
    }
    if (!fresh.length) return;
    this.last = key(fresh[0]);
    this.body.prepend(...fresh.map(this.draw));
    while (this.body.childElementCount > this.most) this.body.lastElementChild.remove();
  }

  clear() {
    this.body.replaceChildren();
    this.last = null;
  }
}

export function clockTime(milliseconds) {
  const date = new Date(milliseconds);
  const part = (value, digits = 2) => String(value).padStart(digits, "0");
  return `${part(date.getHours())}:${part(date.getMinutes())}:${part(date.getSeconds())}.`
    + part(date.getMilliseconds(), 3);
}

/** The cards of the nodes, which are made once: a button that has the focus keeps it. */
export class NodeCards {
  constructor(model, order) {
    this.cards = new Map();
    for (const node of model.nodes.values()) this.add(node, order);
  }

  add(node, order) {
    const fields = {};
    const list = make("dl");
    for (const name of ["State", "Link", "Throughput", "Latency", "Sessions", "Cache"]) {
      fields[name] = make("dd");
      list.append(make("dt", {}, name), fields[name]);
    }
    const button = (label, body, path) => make(
      "button", { type: "button", "data-action": body.action, "aria-label": `${label} ${node.name}`,
        onclick: () => order(path, body) }, label.split(" ")[0]);
    const linkPath = `links/${node.name}`;
    const buttons = make(
      "div", { class: "row", role: "group", "aria-label": `Orders for ${node.name}` },
      button("Cut the link to", { action: "cut" }, linkPath),
      button("Hold the link to", { action: "hold" }, linkPath),
      button("Slow the link to", { action: "slow", milliseconds: 200 }, linkPath),
      button("Open the link to", { action: "open" }, linkPath),
      button("Kill", { action: "kill" }, `nodes/${node.name}`),
      button("Start", { action: "start" }, `nodes/${node.name}`));
    const card = make(
      "li", { class: "node", "data-node": node.name },
      make("h3", {}, `${node.name} · blocks ${node.blocks}`), list, buttons);
    byId("nodes").append(card);
    this.cards.set(node.name, { card, fields });
  }

  draw(model, now) {
    for (const [name, node] of model.nodes) {
      const { card, fields } = this.cards.get(name);
      const isThere = node.state === "listening";
      card.classList.toggle("away", !isThere || node.link === "cut");
      card.classList.toggle("working", now - node.lastPass < 400);
      setText(fields.State, isThere ? "answers" : node.state);
      setText(fields.Link, node.link);
      setText(fields.Throughput, `${rateOf(node, now).toFixed(1)} tokens/s, ${node.tokens} in all`);
      setText(fields.Latency, node.latency === null ? "no pass yet" : `${node.latency.toFixed(2)} ms a pass`);
      setText(fields.Sessions, String(node.sessions));
      setText(fields.Cache, node.cacheBudget
        ? `${megabytes(node.cacheBytes)} of ${megabytes(node.cacheBudget)}` : "empty");
    }
  }
}

const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(bytes < 2 ** 24 ? 1 : 0)} MiB`;

/** Sets a text only where it changes, so that nothing is laid out for nothing. */
export function setText(element, text) { if (element.textContent !== text) element.textContent = text; }

export function drawRoutes(model) {
  const rows = [...model.routes.values()].slice(-6).reverse().map((route) => {
    const hops = [...route.hops].sort((a, b) => parseInt(a[1], 10) - parseInt(b[1], 10));
    const way = hops.map(([part, blocks]) => `${part} (${blocks})`).join(" → ");
    return make("li", {}, make("span", {}, `${route.name.slice(0, 6)}: ${way}`),
      make("span", { class: "quiet" }, `${route.tokens} tokens, ${route.open.size ? "open" : "ended"}`));
  });
  byId("routes").replaceChildren(...rows);
}

export function oracleRow(event) {
  const request = event.request;
  const isGood = ["accepted", "registered"].includes(request.outcome);
  const mark = isGood ? "good" : request.outcome === "served" ? "quiet" : "bad";
  const notes = [request.reason, request.is_near_miss ? "near miss" : null, ...(request.notes ?? [])]
    .filter(Boolean).join("; ");
  return make("tr", {}, make("td", {}, clockTime(event.time)),
    make("td", { class: mark }, `${request.status} ${request.outcome}`),
    make("td", {}, short(request.agent) ?? "–"),
    make("td", {}, `${request.method} ${request.path}${notes ? `: ${notes}` : ""}`));
}

export function transactionRow(row) {
  const { sent } = row;
  return make("tr", {}, make("td", {}, String(row.height)),
    make("td", {}, sent.call + (sent.detail ? `: ${sent.detail}` : "")),
    make("td", {}, short(sent.from)),
    make("td", { class: sent.succeeded ? "good" : "bad" },
      sent.succeeded ? `${sent.gas} gas` : `reverted: ${sent.reason ?? "no reason"}`));
}

export function drawAgents(model) {
  byId("agents").replaceChildren(...[...model.nodes.values()].map((node) => {
    const standing = node.standing;
    const status = !standing?.registered ? "not registered" : standing.active ? "active" : "not active";
    return make("tr", {}, make("td", {}, short(node.agent)), make("td", {}, node.name),
      make("td", { class: status === "active" ? "good" : "warn" }, status),
      make("td", {}, String(node.heartbeats)), make("td", {}, String(node.reported)),
      make("td", {}, String(node.proofs)),
      make("td", {}, standing ? coins(standing.pending) : "–"),
      make("td", {}, standing ? coins(standing.paid) : "–"));
  }));
}

export function tokenRow({ news }) {
  const hops = (news.hops ?? []).map((hop) =>
    `${hop.part} ${hop.milliseconds.toFixed(2)} ms (${hop.compute_milliseconds.toFixed(2)} computed)`);
  return make("tr", {}, make("td", {}, `${news.index}: ${news.token}`),
    make("td", {}, news.text ? JSON.stringify(news.text) : "–"), make("td", {}, String(news.rank)),
    make("td", {}, hops.join(" → ")));
}

export function drawGeneration(model) {
  const { state, text, news, tokens } = model.generation;
  const said = {
    began: "The nodes read the prompt.",
    token: `${tokens.length} tokens`,
    ended: `${news.tokens} tokens in ${Math.round(news.milliseconds)} ms: ${news.reason}.`,
    failed: `It failed: ${news.reason}`,
  };
  setText(byId("generation-state"), said[state]);
  setText(byId("text"), text);
}

export function eventRow(event) {
  return make("tr", { "data-number": event.number, "data-time": event.time },
    make("td", {}, String(event.number)), make("td", {}, clockTime(event.time)),
    make("td", {}, event.part), make("td", {}, describe(event)));
}

/** The events of the last minute, a lane for each part. */
export function drawStrip(model, now) {
  const canvas = byId("strip");
  const scale = window.devicePixelRatio || 1;
  const [width, height] = [canvas.clientWidth * scale, canvas.clientHeight * scale];
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const style = getComputedStyle(document.documentElement);
  const names = ["--faint", "--good", "--bad", "--warn", "--accent"];
  const colors = Object.fromEntries(names.map((name) => [name, style.getPropertyValue(name)]));
  context.clearRect(0, 0, width, height);
  const lanes = [...model.parts].sort();
  const places = new Map(lanes.map((part, index) => [part, index]));
  const lane = height / Math.max(1, lanes.length);
  context.font = `${11 * scale}px sans-serif`;
  const left = 70 * scale;
  lanes.forEach((part, index) => {
    context.fillStyle = colors["--faint"];
    context.fillText(part, 0, (index + 0.7) * lane);
    context.fillRect(left, (index + 1) * lane - 1, width - left, 1);
  });
  for (let index = model.events.length - 1; index >= 0; index -= 1) {
    const event = model.events[index];
    if (now - event.time > 60_000) break;
    if (model.events.length - index > 3000) break;
    context.fillStyle = colors[stripColor(event)];
    const x = left + (1 - (now - event.time) / 60_000) * (width - left);
    context.fillRect(x, (places.get(event.part) + 0.15) * lane, 2 * scale, 0.7 * lane);
  }
}

function stripColor(event) {
  if (event.kind === "request" && !["accepted", "registered", "served"].includes(event.request?.outcome)) {
    return "--bad";
  }
  if (event.kind === "life" && event.life?.state !== "listening") return "--bad";
  if (event.kind === "fault" || event.kind === "link") return "--warn";
  return event.kind === "generation" || event.kind === "session" ? "--accent" : "--good";
}

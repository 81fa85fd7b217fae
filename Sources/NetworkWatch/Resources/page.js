// Reads the events, draws at most once a frame, and sends orders.
import { Model, describe } from "./model.js";
import {
  NodeCards, Rows, drawAgents, drawGeneration, drawRoutes, drawStrip, eventRow, make, oracleRow, setText,
  tokenRow, transactionRow,
} from "./views.js";

const byId = (id) => document.getElementById(id);
const rowsOnAPage = 200;
/** Milliseconds between two drawings at least: laying out a page takes longer than reading its events. */
const leastPause = 50;

const orders = {
  chain: {
    "next transaction reverts": { fault: "revert", reason: "ordered on the page" },
    "next call is refused": { fault: "error", code: -32000, message: "ordered on the page" },
    "no answer for a second": { fault: "delay", milliseconds: 1000 },
  },
  oracle: {
    "next report answered 503": { fault: "status", status: 503 },
    "every report answered 503": { fault: "status", status: 503, count: 0 },
    "answers a second late": { fault: "delay", milliseconds: 1000 },
  },
  links: {
    "next connection reset": { fault: "reset" },
    "connections 80 ms later": { fault: "delay", milliseconds: 80, count: 0 },
    "10 kB a second": { fault: "throttle", bytes_per_second: 10000, count: 0 },
  },
};
orders.gateway = orders.oracle;

async function send(path, body, method = "POST") {
  const options = { method };
  if (body !== undefined) {
    options.headers = { "Content-Type": "application/json" };
    options.body = JSON.stringify(body);
  }
  const answer = await fetch(`/orders/${path}`, options);
  const said = await answer.json();
  if (!answer.ok) throw new Error(said.error);
  return said;
}

/** Sends an order of a button, and says where it can be seen why one is not done. */
async function order(path, body, method) {
  const problem = byId("order-problem");
  try {
    const said = await send(path, body, method);
    setText(problem, "");
    return said;
  } catch (error) {
    setText(problem, `Not done: ${error.message}`);
    return null;
  }
}

class Page {
  constructor(network) {
    this.model = new Model(network);
    this.cards = new NodeCards(this.model, order);
    this.rows = {
      oracle: new Rows(byId("oracle"), 50, oracleRow),
      transactions: new Rows(byId("transactions"), 50, transactionRow),
      tokens: new Rows(byId("tokens"), 500, tokenRow),
      timeline: new Rows(byId("timeline"), rowsOnAPage, eventRow),
    };
    /** The number of the event with which the time line ends; null follows the latest one. */
    this.end = null;
    /** What the filter leaves of the events, up to which one, and the filter. */
    this.found = { part: "", text: "", last: 0, events: [] };
    /** Counts the requests for the faults: only the answer to the latest one is drawn. */
    this.faultRequests = 0;
    this.shownGeneration = null;
    this.lastStrip = 0;
    this.lastDrawn = 0;
    this.isDue = false;
    this.setUpForms(network);
    this.setUpTimeline();
    this.listen();
    this.ask();
    // What is measured over time changes without events too.
    setInterval(() => {
      this.model.dirty.add("nodes");
      this.ask();
    }, 1000);
  }

  listen() {
    const source = new EventSource("/events");
    source.onopen = async () => {
      setText(byId("connection"), "connected");
      // Behind the same address there may be another network by now, whose events begin anew.
      const now = await read("/network");
      if (now && now.run !== this.model.network.run) location.reload();
    };
    source.onerror = () => setText(byId("connection"), "the network does not answer");
    source.onmessage = (message) => {
      this.model.apply(JSON.parse(message.data));
      this.ask();
    };
    source.addEventListener("end", () => {
      source.close();
      setText(byId("connection"), "the network has ended");
    });
  }

  /** Has the next frame draw what has changed until then. */
  ask() {
    if (this.isDue) return;
    this.isDue = true;
    const frame = () => {
      const now = Date.now();
      if (now - this.lastDrawn < leastPause) {
        requestAnimationFrame(frame);
        return;
      }
      this.isDue = false;
      this.lastDrawn = now;
      this.draw(now);
    };
    requestAnimationFrame(frame);
  }

  /** What draws what the model knows, in the order in which it is done. */
  views(now) {
    const { model, rows } = this;
    return {
      nodes: () => this.cards.draw(model, now),
      routes: () => drawRoutes(model),
      oracle: () => {
        rows.oracle.show(model.oracle.rows, (event) => event.number);
        const { accepted, refused, nearMisses, served } = model.oracle;
        setText(byId("oracle-count"),
          `${accepted} accepted, ${refused} refused, ${nearMisses} near misses, ${served} read`);
      },
      chain: () => {
        rows.transactions.show(model.chain.rows, (row) => row.number);
        const time = new Date(model.chain.timestamp * 1000).toISOString();
        setText(byId("chain-state"), `block ${model.chain.height} at ${time}`);
      },
      agents: () => drawAgents(model),
      faults: () => this.drawFaults(),
      generation: () => {
        if (this.shownGeneration !== model.generation.number) rows.tokens.clear();
        this.shownGeneration = model.generation.number;
        rows.tokens.show(model.generation.tokens, (token) => token.number);
        drawGeneration(model);
      },
      parts: () => this.drawParts(),
      timeline: () => this.drawTimeline(),
    };
  }

  draw(now) {
    const { model } = this;
    const dirty = model.dirty;
    model.dirty = new Set();
    for (const [name, view] of Object.entries(this.views(now))) {
      if (!dirty.has(name)) continue;
      try {
        view();
      } catch (error) {
        // What one view cannot show, as of another version's events, keeps no other from being drawn.
        console.warn(`${name}: ${error}`);
      }
    }
    if (now - this.lastStrip > 500) {
      this.lastStrip = now;
      drawStrip(model, now);
    }
    if (model.announcements.length) {
      setText(byId("announcement"), model.announcements.splice(0).join(". "));
    }
    setText(byId("event-count"), `${model.count} events`);
  }

  drawParts() {
    const select = byId("filter-part");
    const known = new Set([...select.options].map((option) => option.value));
    for (const part of this.model.parts) {
      if (!known.has(part)) select.append(make("option", { value: part }, part));
    }
  }

  /** The events that the filter leaves: those before the last look are not looked at again. */
  get filtered() {
    const events = this.model.events;
    const part = byId("filter-part").value;
    const text = byId("filter-text").value.toLowerCase();
    if (!part && !text) return events;
    if (this.found.part !== part || this.found.text !== text) {
      this.found = { part, text, last: 0, events: [] };
    }
    const { found } = this;
    for (let index = placeBehind(events, found.last); index < events.length; index += 1) {
      const event = events[index];
      if ((!part || event.part === part)
        && (!text || describe(event).toLowerCase().includes(text))) found.events.push(event);
    }
    found.last = events.at(-1)?.number ?? 0;
    const gone = placeBehind(found.events, (events[0]?.number ?? 1) - 1);
    if (gone) found.events.splice(0, gone);
    return found.events;
  }

  drawTimeline() {
    const events = this.filtered;
    const end = this.end === null ? events.length : placeBehind(events, this.end);
    if (this.end === null) this.rows.timeline.show(events, (event) => event.number);
    const first = Math.max(0, end - rowsOnAPage);
    const gone = this.model.count - this.model.events.length;
    setText(byId("timeline-range"), (end ? `${first + 1} to ${end} of ${events.length}` : "nothing")
      + (gone ? `; ${gone} older ones are kept no more` : ""));
    byId("older").disabled = first === 0;
    byId("newer").disabled = this.end === null;
  }

  setUpTimeline() {
    const turn = (change) => {
      const events = this.filtered;
      const last = this.end === null ? events.length : placeBehind(events, this.end);
      const end = Math.max(Math.min(rowsOnAPage, events.length), last + change);
      this.end = change === 0 || end >= events.length ? null : events[end - 1].number;
      this.rows.timeline.clear();
      if (this.end !== null) {
        this.rows.timeline.show(
          events.slice(Math.max(0, end - rowsOnAPage), end), (event) => event.number);
      }
      this.drawTimeline();
    };
    byId("older").addEventListener("click", () => turn(-rowsOnAPage));
    byId("newer").addEventListener("click", () => turn(rowsOnAPage));
    for (const id of ["filter-part", "filter-text"]) {
      byId(id).addEventListener("input", () => turn(0));
    }
  }

  async drawFaults() {
    this.faultRequests += 1;
    const request = this.faultRequests;
    const faults = await read("/faults");
    if (!faults || request !== this.faultRequests) return;
    const items = Object.entries(faults).flatMap(([service, list]) => list.map((fault) => {
      const { id, ...rest } = fault;
      const text = `${service}: ${JSON.stringify(rest)}`;
      return make("li", {}, make("span", {}, text), make("button", {
        type: "button", "aria-label": `Take back ${text}`,
        onclick: () => order(`faults/${service}/${encodeURIComponent(id)}`, undefined, "DELETE"),
      }, "Take back"));
    }));
    byId("fault-list").replaceChildren(...items);
  }

  setUpForms(network) {
    onSubmit("generate", () => send("generate", {
      prompt: byId("prompt").value, max_new_tokens: Number(byId("max-tokens").value),
      temperature: Number(byId("temperature").value),
    }));
    onSubmit("clock", () => send("clock", { seconds: Number(byId("clock-seconds").value) }));
    onSubmit("fault", () => send(
      `faults/${byId("fault-service").value}`, JSON.parse(byId("fault-order").value)));
    const [service, kind] = [byId("fault-service"), byId("fault-kind")];
    service.append(...network.faults.map((name) => make("option", { value: name }, name)));
    const showOrder = () => {
      const fault = { ...orders[service.value][kind.value] };
      if (service.value === "links") fault.link = network.nodes[0].name;
      byId("fault-order").value = JSON.stringify(fault);
    };
    const showKinds = () => {
      kind.replaceChildren(...Object.keys(orders[service.value]).map(
        (name) => make("option", { value: name }, name)));
      showOrder();
    };
    service.addEventListener("input", showKinds);
    kind.addEventListener("input", showOrder);
    if (network.faults.length) showKinds();
  }
}

/** What is at a path, as JSON; null where the network does not answer, which its connection tells. */
async function read(path) {
  try {
    return await (await fetch(path)).json();
  } catch {
    return null;
  }
}

/** How many of some events, in the order of their numbers, come up to a number. */
function placeBehind(events, number) {
  let [low, high] = [0, events.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (events[middle].number <= number) low = middle + 1;
    else high = middle;
  }
  return low;
}

function onSubmit(id, work) {
  const form = byId(id);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const problem = byId(`${id}-problem`);
    problem.textContent = "";
    try {
      await work();
    } catch (error) {
      problem.textContent = error.message;
    }
  });
}

const network = await (await fetch("/network")).json();
document.title = `petals-e2e: ${network.model}`;
// Here whoever debugs the page, or tests it, finds what it knows.
window.page = new Page(network);

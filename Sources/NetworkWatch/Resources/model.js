// What the page knows of the network: made of the events alone, in their order.

const secondsOfRates = 10;
/** How many events are kept: the newest. A network that is up for a day makes many more. */
export const mostEvents = 20_000;

/** The state of a network, to which events are applied; `dirty` names the views that have to be drawn. */
export class Model {
  constructor(network, most = mostEvents) {
    this.most = most;
    /** How many events came, those that are kept no more among them. */
    this.count = 0;
    this.network = network;
    this.dirty = new Set(["nodes", "agents", "faults"]);
    this.events = [];
    this.parts = new Set();
    this.routes = new Map();
    this.oracle = { accepted: 0, refused: 0, nearMisses: 0, served: 0, rows: [] };
    this.chain = { height: null, timestamp: null, gas: 0, rows: [] };
    this.generation = null;
    this.announcements = [];
    this.nodes = new Map(network.nodes.map((node) => [node.name, newNode(node)]));
  }

  /** Takes an event in. */
  apply(event) {
    this.count += 1;
    this.events.push(event);
    // A tenth at a time: to move all others for each event would take longer than to draw it.
    if (this.events.length > this.most * 1.1) this.events.splice(0, this.events.length - this.most);
    if (!this.parts.has(event.part)) {
      this.parts.add(event.part);
      this.dirty.add("parts");
    }
    this.dirty.add("timeline");
    if (!Object.hasOwn(takers, event.kind)) return;
    try {
      takers[event.kind](this, event, event[event.kind]);
    } catch (error) {
      // One that lacks what its kind has, as another version's may, is on the time line all the same.
      console.warn(`event ${event.number}: ${error}`);
    }
  }

  /** Has a text told to screen readers at the next drawing, which tells the latest three. */
  announce(text) {
    this.announcements.push(text);
    // A page that is not shown draws nothing.
    if (this.announcements.length > 3) this.announcements.shift();
  }
}

function newNode(node) {
  return {
    name: node.name, blocks: node.blocks, agent: node.agent, state: "listening", link: "open",
    sessions: 0, cacheBytes: 0, cacheBudget: 0, tokens: 0, passes: [], latency: null, lastPass: 0,
    heartbeats: 0, reported: 0, proofs: 0, registered: false, standing: null, trouble: null,
  };
}

const takers = {
  life(model, event, life) {
    const node = model.nodes.get(event.part);
    if (node) {
      node.state = life.state;
      if (life.state !== "listening") {
        node.sessions = 0;
        node.cacheBytes = 0;
        // A process that is gone has no time to say that its sessions have ended.
        for (const route of model.routes.values()) {
          if (route.open.delete(event.part)) model.dirty.add("routes");
        }
      }
      model.dirty.add("nodes");
    }
    if (["killed", "failed"].includes(life.state)) model.announce(describe(event));
    if (life.state === "listening" && node) model.announce(`${event.part} answers`);
  },
  agent(model, event, act) {
    const node = model.nodes.get(event.part);
    if (!node) return;
    if (act.act === "registered") node.registered = true;
    if (act.act === "heartbeat") node.heartbeats += 1;
    if (act.act === "proved") node.proofs += 1;
    if (act.act === "reported") node.reported = act.tokens;
    if (act.act === "trouble") node.trouble = act.detail;
    model.dirty.add("agents");
  },
  standing(model, event, standing) {
    const node = model.nodes.get(event.part);
    if (node) node.standing = standing;
    model.dirty.add("agents");
  },
  session(model, event, session) {
    const node = model.nodes.get(event.part);
    if (!node) return;
    node.sessions = session.sessions;
    node.cacheBytes = session.cache_bytes;
    node.cacheBudget = session.cache_budget;
    if (session.state === "step") {
      node.tokens += session.tokens;
      node.lastPass = event.time;
      node.latency = node.latency === null ? session.milliseconds
        : node.latency + (session.milliseconds - node.latency) / 8;
      const second = Math.floor(event.time / 1000);
      const last = node.passes.at(-1);
      if (last?.second === second) last.tokens += session.tokens;
      else node.passes.push({ second, tokens: session.tokens });
      if (node.passes.length > 2 * secondsOfRates) node.passes.shift();
    }
    model.dirty.add("nodes");
    takeRoute(model, event.part, session);
  },
  request(model, event, request) {
    const oracle = model.oracle;
    if (request.outcome === "accepted" || request.outcome === "registered") oracle.accepted += 1;
    else if (request.outcome === "served") oracle.served += 1;
    else oracle.refused += 1;
    if (request.is_near_miss) oracle.nearMisses += 1;
    oracle.rows.push(event);
    trim(oracle.rows, 500);
    model.dirty.add("oracle");
  },
  block(model, event, block) {
    model.chain.height = block.height;
    model.chain.timestamp = block.timestamp;
    model.chain.gas = block.gas;
    for (const sent of block.transactions) {
      model.chain.rows.push({ number: `${event.number}-${sent.hash}`, height: block.height, sent });
    }
    trim(model.chain.rows, 500);
    model.dirty.add("chain");
  },
  fault(model, event) {
    model.dirty.add("faults");
    model.announce(describe(event));
  },
  link(model, event, link) {
    const node = model.nodes.get(event.part);
    if (node) node.link = link.state === "slow" ? `slow by ${link.milliseconds} ms` : link.state;
    model.dirty.add("nodes");
    model.announce(describe(event));
  },
  clock(model, event) { model.announce(describe(event)); },
  generation(model, event, news) {
    if (news.state === "began") {
      model.generation = { number: news.generation, state: "began", text: "", tokens: [], news };
    }
    const generation = model.generation;
    if (!generation || generation.number !== news.generation) return;
    generation.text += news.text ?? "";
    if (news.state === "token") generation.tokens.push({ number: event.number, news });
    generation.state = news.state;
    generation.news = news;
    model.dirty.add("generation");
    if (news.state === "ended" || news.state === "failed") model.announce(describe(event));
  },
};

function takeRoute(model, part, session) {
  let route = model.routes.get(session.session);
  if (!route) {
    route = { name: session.session, hops: new Map(), tokens: 0, open: new Set() };
    model.routes.set(session.session, route);
    if (model.routes.size > 200) model.routes.delete(model.routes.keys().next().value);
  }
  if (session.state === "opened") route.open.add(part);
  if (session.state === "ended") route.open.delete(part);
  route.hops.set(part, session.blocks);
  if (session.state === "step") route.tokens = Math.max(route.tokens, session.position);
  model.dirty.add("routes");
}

function trim(rows, most) { if (rows.length > 2 * most) rows.splice(0, rows.length - most); }

/** Tokens a second that went through a node lately. */
export function rateOf(node, now) {
  const first = Math.floor(now / 1000) - secondsOfRates;
  while (node.passes.length && node.passes[0].second <= first) node.passes.shift();
  return node.passes.reduce((sum, pass) => sum + pass.tokens, 0) / secondsOfRates;
}

/** The first characters of a hash or an address. */
export function short(hex) { return hex && hex.length > 13 ? `${hex.slice(0, 8)}…${hex.slice(-4)}` : hex; }

/** An event in a line. */
export function describe(event) {
  const body = event[event.kind];
  if (!Object.hasOwn(writers, event.kind)) return event.kind;
  try {
    return writers[event.kind](body, event);
  } catch {
    return `${event.kind}: ${JSON.stringify(body)}`;
  }
}

const writers = {
  life(life, event) {
    const where = life.url ? ` on ${life.url}` : "";
    const why = life.reason ? `: ${life.reason}` : "";
    return `${event.part} ${life.state}${where}${why}`;
  },
  agent(act) {
    const tokens = act.tokens === undefined ? "" : ` ${act.tokens} tokens`;
    return `${act.act}${tokens}${act.detail ? `: ${act.detail}` : ""}`;
  },
  standing: (standing) => `${standing.active ? "active" : "not active"} on the chain, `
    + `${coins(standing.pending)} pending, ${coins(standing.paid)} paid`,
  session(session) {
    const name = `session ${session.session.slice(0, 6)}`;
    if (session.state === "step") {
      return `${name}: ${session.tokens} tokens through ${session.blocks} in `
        + `${session.milliseconds.toFixed(2)} ms`;
    }
    const tokens = session.tokens === undefined ? "" : `, ${session.tokens} tokens generated`;
    return `${name} ${session.state}${tokens}`;
  },
  request: (request) => `${request.method} ${request.path} ${request.status} ${request.outcome}`
    + (request.reason ? `: ${request.reason}` : ""),
  block: (block) => `block ${block.height}: ${block.transactions.map((sent) => sent.call
    + (sent.succeeded ? "" : " (reverted)")).join(", ") || "empty"}`,
  fault: (fault, event) => `fault of ${event.part} ${fault.change}`
    + (fault.order ? `: ${fault.order}` : fault.id ? ` ${fault.id}` : ""),
  link: (link, event) => `link to ${event.part} ${link.state}`
    + (link.milliseconds ? ` by ${link.milliseconds} ms` : ""),
  clock: (clock) => `the chain's clock was moved by ${clock.seconds} seconds`,
  generation(news) {
    const name = `generation ${news.generation}`;
    if (news.state === "began") return `${name} began: ${news.prompt}`;
    if (news.state === "token") return `${name}: token ${news.index} is ${news.token}, rank ${news.rank}`;
    if (news.state === "ended") return `${name} ended after ${news.tokens} tokens: ${news.reason}`;
    return `${name} failed: ${news.reason}`;
  },
  load: (load) => `load on ${load.target}: ${load.per_second} a second`
    + (load.p50 === undefined ? "" : `, p50 ${load.p50.toFixed(1)} ms, p99 ${load.p99.toFixed(1)} ms`)
    + (load.failed ? `, ${load.failed} failed` : ""),
  check: (check) => `${check.passed ? "passed" : "failed"}: ${check.title} ${check.detail}`,
};

/** Wei as coins. */
export function coins(wei) {
  const value = Number(BigInt(wei) / 10n ** 12n) / 1e6;
  return `${value.toLocaleString("en", { maximumFractionDigits: 6 })} PLM`;
}

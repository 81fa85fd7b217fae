// Replays what ethers 6 and viem 2 send to a chain, message by message, over HTTP and, subscriptions,
// over WebSocket, and with ethers' own bundled file at hand runs ethers itself. Needs node 20.10.
//
//     petals-e2e chain --port 26902 &
//     node javascript_check.mjs http://127.0.0.1:26902 [path/to/ethers.min.js]
//
// It prints one line for each step and exits with 1 at the first that fails. The chain goes back to
// where it was afterwards; accounts 7 and 8 of the well-known mnemonic must not have sent anything.

import { spawnSync } from "node:child_process";
import { pathToFileURL } from "node:url";

if (typeof WebSocket === "undefined") {
  // Before node 22 there is one behind an option.
  const again = spawnSync(
    process.execPath, ["--experimental-websocket", "--no-warnings", ...process.argv.slice(1)],
    { stdio: "inherit" });
  process.exit(again.status ?? 1);
}

const [url = "http://127.0.0.1:26902", ethersFile] = process.argv.slice(2);
const registry = "0xc9cf64344d22f02f6cdb8e7b5349f30e09f9043c";
const registered = "0x44beda3d7d201bb876725c6a34391cbd97bb0b57b82c15cd856080b7e152b81b";
const heartbeat = "0x524ff62d10e7448ae7f4b3312273a3f8400a0662bc7991a69119576c86cecabe";
// registerAgent(keccak256("replay"), "replay"), fee market, nonce 0, of the accounts 7 and 8.
const data = "0x9c795951706f77484a116797aa85a8cd429509d18b8f4b13dcf5ca337548de5ef1ff2427"
  + "40".padStart(64, "0") + "6".padStart(64, "0") + "7265706c6179".padEnd(64, "0");
const head = "0x02f8f382a3e480843b9aca0085174876e800830493e094" + registry.slice(2) + "80b884"
  + data.slice(2) + "c080";
const agents = [
  { from: "0x14dc79964da2c08b23698b3d3cc7ca32193d9955",
    hash: "0x03ea3cddee2c31bad99b6525266ecdd63e766ba0358860e825b6e6f5a9fa32f0",
    raw: head + "a004cfeedaf62e4645cdb0d9ec9f3dac63e62de1ae3f9e84e85ee7a1f88e9ba161"
      + "a0260eb2e682ae82bd02a58d69e58544c621b40e27b35779fe0923e1c9f79f8287" },
  { from: "0x23618e81e3f5cdf7f54c3d65f7fbc0abf5b21e8f",
    hash: "0x10610e540a8f7c0297fa3dba39e8fcc1c3c61bab84d50c6392d24c468f75408c",
    raw: head + "a0203f4ec1d01ea914608a12d38ed37c70cbc5879d6c33d58025793f54afcfb53a"
      + "a024a05dba8f1a830266083bc3747b2797591b046882e86adbd93e29f6eb98af1b" },
];

let steps = 0;
function step(title, isRight, detail = "") {
  if (!isRight) {
    console.log(`FAILED  ${title} ${JSON.stringify(detail)}`);
    process.exit(1);
  }
  steps += 1;
  console.log(`ok      ${title}`);
}

async function post(body, headers = { "Content-Type": "application/json" }) {
  const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(body) });
  const text = await response.text();
  return text === "" ? null : JSON.parse(text);
}

// ethers 6 (JsonRpcApiProvider): ids from 1, params always there, a message is an array as soon as
// more than one call is made within 10 ms, and answers are told apart by their ids alone.
let ethersID = 1;
async function ethers(...calls) {
  const messages = calls.map(([method, ...params]) => (
    { method, params, id: ethersID++, jsonrpc: "2.0" }));
  const answer = await post(messages.length === 1 ? messages[0] : messages);
  const byID = new Map([answer].flat().map((each) => [each.id, each]));
  return messages.map(({ id, method }) => {
    const own = byID.get(id);
    step(`ethers: ${method}`, own && own.jsonrpc === "2.0" && !own.error, own);
    return own.result;
  });
}

// viem 2 (http transport): ids from 0, and no params member for a method without arguments.
let viemID = 0;
async function viem(method, params) {
  const message = { jsonrpc: "2.0", id: viemID++, method, ...(params ? { params } : {}) };
  const answer = await post(message);
  step(`viem: ${method}`, answer.id === message.id && !answer.error, answer);
  return answer.result;
}

async function replayEthers({ from, raw, hash }) {
  const [chainID] = await ethers(["eth_chainId"]);
  step("ethers: the network is detected", Number(chainID) === 41956, chainID);
  // Wallet.sendTransaction: what populateTransaction asks at once, then getFeeData.
  const call = { from, to: registry, data };
  const [nonce, gas] = await ethers(
    ["eth_getTransactionCount", from, "pending"], ["eth_estimateGas", call], ["eth_chainId"]);
  step("ethers: nonce and gas", nonce === "0x0" && Number(gas) > 21000, { nonce, gas });
  const [block, price, tip] = await ethers(
    ["eth_getBlockByNumber", "latest", false], ["eth_gasPrice"], ["eth_maxPriorityFeePerGas"]);
  step("ethers: fees", BigInt(price) === BigInt(block.baseFeePerGas) + BigInt(tip), price);
  // broadcastTransaction compares the hash with its own, then wait() looks for the receipt.
  const [, sent] = await ethers(["eth_blockNumber"], ["eth_sendRawTransaction", raw]);
  step("ethers: the hash is its own", sent === hash, sent);
  const [receipt] = await ethers(["eth_getTransactionReceipt", hash]);
  step("ethers: the first look finds the receipt", receipt && receipt.status === "0x1", receipt);
  const [height] = await ethers(["eth_blockNumber"]);
  step("ethers: one confirmation", Number(height) >= Number(receipt.blockNumber), height);
  const [transaction, whole] = await ethers(
    ["eth_getTransactionByHash", hash], ["eth_getBlockByHash", receipt.blockHash, true]);
  step("ethers: the transaction", transaction.from === from && transaction.type === "0x2"
    && transaction.yParity === transaction.v, transaction);
  step("ethers: the block's hash and parts", whole.transactions[0].hash === hash
    && whole.nonce === "0x0000000000000000", whole);
  // Contract: a view, a filter over events, an error with its data.
  const isActive = "0x9f8a13d7" + from.slice(2).padStart(64, "0");
  const [active] = await ethers(["eth_call", { to: registry, data: isActive }, "latest"]);
  step("ethers: a view", Number(active) === 1, active);
  const topic = "0x" + from.slice(2).padStart(64, "0");
  const [logs] = await ethers(["eth_getLogs", { address: registry, topics: [registered, topic],
    fromBlock: "0x0", toBlock: "latest" }]);
  step("ethers: queryFilter", logs.length === 1 && logs[0].transactionHash === hash, logs);
  const refused = await post({ method: "eth_call", params: [call, "latest"], id: 99,
    jsonrpc: "2.0" });
  step("ethers: CALL_EXCEPTION with data", refused.error.code === 3
    && refused.error.data.startsWith("0x08c379a0"), refused);
  // provider.on("block") and on(filter).
  const [filter] = await ethers(["eth_newFilter", { address: registry }]);
  const [changes] = await ethers(["eth_getFilterChanges", filter]);
  step("ethers: a fresh filter is empty", changes.length === 0, changes);
  await ethers(["eth_uninstallFilter", filter]);
}

async function replayViem({ from, raw, hash }) {
  step("viem: chain id", Number(await viem("eth_chainId")) === 41956);
  // sendTransaction with an account of its own: prepareTransactionRequest.
  const nonce = await viem("eth_getTransactionCount", [from, "pending"]);
  const block = await viem("eth_getBlockByNumber", ["latest", false]);
  const tip = await viem("eth_maxPriorityFeePerGas");
  const gas = await viem("eth_estimateGas", [{ from, data, to: registry, nonce, type: "0x2",
    maxFeePerGas: "0x" + (BigInt(block.baseFeePerGas) * 12n / 10n + BigInt(tip)).toString(16),
    maxPriorityFeePerGas: tip }]);
  step("viem: gas", Number(gas) > 21000, gas);
  // waitForTransactionReceipt: it looks at once, and the error it expects is a null result.
  step("viem: no receipt yet", await viem("eth_getTransactionReceipt", [hash]) === null);
  step("viem: the hash", await viem("eth_sendRawTransaction", [raw]) === hash);
  await viem("eth_blockNumber");
  const transaction = await viem("eth_getTransactionByHash", [hash]);
  const receipt = await viem("eth_getTransactionReceipt", [hash]);
  step("viem: the receipt", receipt.status === "0x1" && receipt.contractAddress === null
    && receipt.logs.length === 1 && receipt.effectiveGasPrice === transaction.gasPrice, receipt);
  const history = await viem("eth_feeHistory", ["0x4", "latest", [25, 75]]);
  step("viem: fee history", history.baseFeePerGas.length === history.gasUsedRatio.length + 1);
  // readContract and watchContractEvent.
  const isRegistered = "0xc3c5a547" + from.slice(2).padStart(64, "0");
  step("viem: readContract",
    Number(await viem("eth_call", [{ data: isRegistered, to: registry }, "latest"])) === 1);
  const filter = await viem("eth_newFilter", [{ address: registry, topics: [registered] }]);
  step("viem: no events since", (await viem("eth_getFilterChanges", [filter])).length === 0);
  step("viem: uninstalled", await viem("eth_uninstallFilter", [filter]) === true);
  const blocks = await viem("eth_newBlockFilter");
  // The test client in the mode "anvil".
  const before = await viem("evm_snapshot");
  await viem("anvil_mine", ["0x2", "0x0"]);
  step("viem: two blocks", (await viem("eth_getFilterChanges", [blocks])).length === 2);
  await viem("evm_increaseTime", ["0x3c"]);
  await viem("anvil_setBalance", [from, "0xde0b6b3a7640000"]);
  step("viem: the balance", await viem("eth_getBalance", [from, "latest"]) === "0xde0b6b3a7640000");
  const pool = await viem("txpool_content");
  step("viem: the pool", Object.keys(pool.pending).length === 0, pool);
  step("viem: reverted", await viem("evm_revert", [before]) === true);
}

// A connection on which notifications arrive, and what each subscription was sent.
class Connection {
  #socket = new WebSocket(url.replace(/^http/, "ws"));
  #answers = new Map();
  #notifications = new Map();
  #waiting = [];
  #came = [];

  async open() {
    this.#socket.addEventListener("message", ({ data }) => this.#take(JSON.parse(data)));
    await new Promise((resolve, reject) => {
      this.#socket.addEventListener("open", resolve);
      this.#socket.addEventListener("error", () => reject(new Error(`no WebSocket at ${url}`)));
    });
    return this;
  }

  close() {
    this.#socket.close();
  }

  #take(message) {
    this.#came.push(message);
    if (message.method === "eth_subscription") {
      const { subscription, result } = message.params;
      this.received(subscription).push(result);
    } else {
      this.#answers.set(message.id, message);
    }
    this.#waiting = this.#waiting.filter((isDone) => !isDone());
  }

  // What a subscription was sent so far.
  received(subscription) {
    if (!this.#notifications.has(subscription)) this.#notifications.set(subscription, []);
    return this.#notifications.get(subscription);
  }

  // Waits for a message; the script ends with what came when it does not come.
  until(title, condition) {
    return new Promise((resolve) => {
      const limit = AbortSignal.timeout(30_000);
      const late = () => step(title, false, this.#came);
      limit.addEventListener("abort", late);
      const isDone = () => {
        const value = condition();
        if (value === undefined) return false;
        limit.removeEventListener("abort", late);
        resolve(value);
        return true;
      };
      if (!isDone()) this.#waiting.push(isDone);
    });
  }

  async send(message) {
    this.#socket.send(JSON.stringify(message));
    const answer = await this.until(`an answer to ${message.method}`,
      () => this.#answers.get(message.id));
    this.#answers.delete(message.id);
    return answer;
  }

  next(title, subscription, position) {
    return this.until(title, () => this.received(subscription)[position]);
  }
}

// What both send over a WebSocket: viem's watchBlocks, watchEvent and watchPendingTransactions, ethers'
// on("block"), on(filter) and on("pending"), then what ends them. `message` makes the client's form.
async function replaySubscriptions(client, message, from) {
  const connection = await new Connection().open();
  async function ask(method, ...params) {
    const request = message(method, params);
    const answer = await connection.send(request);
    step(`${client}: ${method}`, answer.id === request.id && !answer.error, answer);
    return answer.result;
  }
  step(`${client}: the network, over WebSocket`, Number(await ask("eth_chainId")) === 41956);
  const heads = await ask("eth_subscribe", "newHeads");
  const logs = await ask("eth_subscribe", "logs", { address: registry, topics: [heartbeat] });
  const pending = await ask("eth_subscribe", "newPendingTransactions");
  const hash = await ask("eth_sendTransaction", { from, to: registry, data: "0x3defb962" });
  const head = await connection.next("a head", heads, 0);
  const block = await ask("eth_getBlockByNumber", "latest", false);
  step(`${client}: a head is the block's header`, head.hash === block.hash
    && head.number === block.number && head.transactions === undefined, head);
  const log = await connection.next("a log", logs, 0);
  step(`${client}: a log`, log.transactionHash === hash && log.blockHash === head.hash
    && log.removed === false && log.topics[0] === heartbeat, log);
  step(`${client}: a pending transaction`,
    await connection.next("a pending transaction", pending, 0) === hash);
  await ask("evm_mine");
  const second = await connection.next("a second head", heads, 1);
  step(`${client}: the next head follows`, second.parentHash === head.hash, second);
  for (const id of [heads, logs, pending]) {
    step(`${client}: unsubscribed`, await ask("eth_unsubscribe", id) === true);
  }
  const refused = await connection.send(message("eth_unsubscribe", [heads]));
  step(`${client}: not twice`, refused.error?.message === "subscription not found", refused);
  await ask("eth_sendTransaction", { from, to: registry, data: "0x3defb962" });
  // What the transaction would have sent comes before the answer of a later message.
  await ask("eth_blockNumber");
  step(`${client}: nothing after that`, [heads, logs, pending].map(
    (id) => connection.received(id).length).join() === "2,1,1");
  connection.close();
}

function ethersMessage(method, params) {
  return { method, params, id: ethersID++, jsonrpc: "2.0" };
}

function viemMessage(method, params) {
  return { jsonrpc: "2.0", method, ...(params.length > 0 ? { params } : {}), id: viemID++ };
}

async function runEthersOverWebSocket(library) {
  const provider = new library.WebSocketProvider(url.replace(/^http/, "ws"));
  const contract = new library.Contract(registry,
    ["event Heartbeat(address indexed agent, uint256 timestamp)"], provider);
  const once = (add) => new Promise((resolve) => add(resolve));
  const [block, pending] = [
    once((done) => provider.once("block", done)), once((done) => provider.once("pending", done))];
  const event = once((done) => contract.once("Heartbeat", (...all) => done(all)));
  // The subscriptions are there when these have an answer.
  await contract.listenerCount("Heartbeat");
  await provider.getNetwork();
  const from = agents[0].from;
  const hash = await provider.send(
    "eth_sendTransaction", [{ from, to: registry, data: "0x3defb962" }]);
  step("ethers itself: pending", await pending === hash);
  const [agent, , payload] = await event;
  step("ethers itself: an event", agent.toLowerCase() === from
    && payload.log.transactionHash === hash);
  step("ethers itself: a block", await block === payload.log.blockNumber);
  // An answer comes after those to what ended the subscriptions.
  await provider.send("eth_chainId", []);
  await provider.destroy();
}

async function runEthers(file) {
  const { ethers: library } = await import(pathToFileURL(file));
  const provider = new library.JsonRpcProvider(url);
  const wallet = library.Wallet.createRandom().connect(provider);
  await provider.send("anvil_setBalance", [wallet.address, "0xde0b6b3a7640000"]);
  const contract = new library.Contract(registry, [
    "function registerAgent(bytes32 node, string metadata)",
    "function isActive(address) view returns (bool)",
    "event AgentRegistered(address indexed agent, bytes32 indexed node, string metadata)",
  ], wallet);
  const sent = await contract.registerAgent(library.id("ethers"), "ethers");
  const receipt = await sent.wait();
  step("ethers itself: a transaction", receipt.status === 1);
  step("ethers itself: a view", await contract.isActive(wallet.address));
  const events = await contract.queryFilter(contract.filters.AgentRegistered(wallet.address));
  step("ethers itself: events", events.length === 1 && events[0].args.metadata === "ethers");
  const error = await contract.registerAgent.staticCall(library.id("ethers"), "x").catch((e) => e);
  step("ethers itself: a reason", error.reason === "AgentRegistry: already registered", error);
  provider.destroy();
  await runEthersOverWebSocket(library);
}

const snapshot = (await post({ jsonrpc: "2.0", id: "s", method: "evm_snapshot", params: [] }));
step("an id that is text comes back as text", snapshot.id === "s", snapshot);
step("a notification gets no answer",
  await post({ jsonrpc: "2.0", method: "eth_blockNumber", params: [] }) === null);
await replayEthers(agents[0]);
await replayViem(agents[1]);
await replaySubscriptions("ethers", ethersMessage, agents[0].from);
await replaySubscriptions("viem", viemMessage, agents[1].from);
if (ethersFile) await runEthers(ethersFile);
else console.log("skipped ethers itself: name its bundled file to run it");
await post({ jsonrpc: "2.0", id: 1, method: "evm_revert", params: [snapshot.result] });
console.log(`${steps} steps passed`);

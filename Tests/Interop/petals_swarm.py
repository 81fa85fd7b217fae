"""Nodes of this package and Petals' own servers in one swarm, each with the clients of both.

`petals_swarm.py COMMAND P2PD [PART…]`, in an environment that Scripts/interop-swarm.sh makes; the parts are `mixed`,
`times` and `replaced`, all of them where none is named. `mixed`: on the checkpoint
Tests/TestVectors/bloom/tiny-f16, of which each half is served by one of the two, in both orders:

- Petals' client: the logits are torch's within 1e-4 of the largest, greedy ids and those of three beams are
  transformers'; with deep prompts, logits and the prompts' gradients are what torch gives with the prompts added
  before each block.
- hivemind's own stubs: a session on a node that starts from an earlier position goes on as if the later
  tokens had never been.
- `petals-e2e generate --swarm`: greedy ids are the same.

`times`: side by side, two servers of each kind on the same halves and the same client: the time from a server's start to
its announcement, and that of a token. A node has to be ready within 2 s, and a token through two nodes to
take at most half of what it takes through two servers of Petals, which have a thread each: with torch's own choice
they take longer where cores are few.

`replaced`: with two nodes on the second half: the one that a generation goes through is killed, stopped, or stopped together
with its p2pd. The ids are those of one process, and the longest wait for a token is at most 5 s.

Petals' clients hang at their end now and then, and after some sessions: each runs in a process of its own, with a limit.
All processes are ended, by their ids, when this one ends, however it does.
"""

import contextlib
import ctypes
import gc
import json
import os
import pathlib
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MODEL = ROOT / "Tests" / "TestVectors" / "bloom" / "tiny-f16"
PREFIX = "tiny-interop"
PROMPT = [5, 6, 7, 8, 9]
NEW = 12
HALVES = ((0, 12), (12, 24))
# Deep prompts have so many tokens.
PROMPT_TOKENS = 3
# Seconds that one process may take, a server of Petals imports torch first; and all of them together.
LIMIT, OVERALL_LIMIT = 180, 1800
# What is asked of a node: seconds until it is ready, the fraction of the time that Petals' servers take to a token,
# and seconds until it is replaced.
READY_LIMIT, FRACTION, REPLACEMENT_LIMIT = 2, 0.5, 5
# Tokens of a generation that is measured, and the one after which a node is brought down.
MEASURED, BROUGHT_DOWN_AFTER = 200, 40
BEGAN = time.monotonic()


def say(text):
    print(f"petals-swarm: {time.monotonic() - BEGAN:5.1f} s: {text}", flush=True)


def fail(text):
    raise SystemExit(f"petals-swarm: {text}")


def die_with_parent():
    # Linux' PR_SET_PDEATHSIG: nothing is left behind even where this process is killed.
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class Service:
    """A process that has said that it is ready; it ends with the scope, and so do its children."""

    def __init__(self, name, arguments, ready, environment=None):
        self.name, self.arguments, self.ready = name, [str(a) for a in arguments], ready
        self.environment = {**os.environ, **(environment or {})}
        self.lines, self.all = queue.Queue(), []

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line)
        self.lines.put(None)

    def wait(self, pattern, limit=LIMIT):
        """What matches in the first line that does, from those that were not read yet."""
        end = time.monotonic() + limit
        while True:
            try:
                line = self.lines.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                fail(f"{self.name} said nothing like {pattern} within {limit} s, but:\n{self.words()}")
            if line is None:
                fail(f"{self.name} ended with {self.process.wait()} before it said {pattern}:\n{self.words()}")
            self.all.append(line)
            found = re.search(pattern, line)
            if found:
                return found

    def words(self):
        return "".join(self.all[-40:]) or "(nothing)"

    def said(self, pattern):
        """How many of the lines that came by now match."""
        while True:
            try:
                line = self.lines.get_nowait()
            except queue.Empty:
                break
            if line is None:
                self.lines.put(None)
                break
            self.all.append(line)
        return sum(1 for line in self.all if re.search(pattern, line))

    def __enter__(self):
        began = time.monotonic()
        self.process = subprocess.Popen(
            self.arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=self.environment,
            start_new_session=True, preexec_fn=die_with_parent,
        )
        threading.Thread(target=self._read, daemon=True).start()
        try:
            self.found = self.wait(self.ready)
        except BaseException:
            self.__exit__()
            raise
        self.seconds = time.monotonic() - began
        return self

    def __exit__(self, *_):
        children = self.descendants()
        # What was stopped goes on first: it could not end.
        for process, number in [(p, signal.SIGCONT) for p in children] + [
            (self.process, signal.SIGCONT), (self.process, signal.SIGTERM),
        ]:
            with contextlib.suppress(Exception):
                process.send_signal(number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(timeout=20)
        # Petals leaves its p2pd and workers behind now and then: all are of its session.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        for child in children:
            with contextlib.suppress(Exception):
                child.kill()

    def descendants(self):
        import psutil

        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self.process.pid).children(recursive=True)
        return []


class Swarm:
    def __init__(self, command, daemon, model=MODEL):
        self.command, self.environment, self.model = command, {"PETALS_P2PD": str(daemon)}, model

    @contextlib.contextmanager
    def running(self, *servers):
        """A bootstrap peer, and servers: (kind, (first block, end)) of each."""
        with contextlib.ExitStack() as stack:
            bootstrap = stack.enter_context(
                Service(
                    "the bootstrap peer", [self.command, "swarm", "bootstrap", "--swarm-port", "0", "--json"],
                    r'"url":"([^"]*p2p[^"]*)"', self.environment,
                )
            )
            self.address = bootstrap.found.group(1).replace("\\/", "/")
            started = []
            for kind, blocks in servers:
                started.append(stack.enter_context(getattr(self, kind)(*blocks)))
                say(f"{started[-1].name} is ready after {started[-1].seconds:.2f} s")
            yield started

    def node(self, first, end):
        return Service(
            f"the node of blocks {first}-{end - 1}",
            [self.command, "node", "--model", self.model, "--blocks", f"{first}-{end - 1}", "--port", "0", "--swarm",
             self.address, "--swarm-prefix", PREFIX, "--json"],
            r'"service":"swarm"', self.environment,
        )

    def observed(self, first, end):
        """A node that prints what its sessions do."""
        node = self.node(first, end)
        node.arguments.append("--observe")
        return node

    def petals(self, first, end):
        return Service(
            f"Petals' server of blocks {first}-{end - 1}",
            [sys.executable, "-m", "petals.cli.run_server", MODEL, "--block_indices", f"{first}:{end}", "--dht_prefix",
             PREFIX, "--initial_peers", self.address, "--torch_dtype", "float32", "--device", "cpu", "--throughput", "100",
             "--host_maddrs", "/ip4/127.0.0.1/tcp/0", "--no_auto_relay", "--skip_reachability_check",
             "--num_handlers", "1", "--attn_cache_tokens", "4096"],
            r"\bStarted\b", {"OMP_NUM_THREADS": "1"},
        )

    def arguments(self, count):
        return [
            str(self.command), "generate", "--model", str(self.model), "--token-ids", ",".join(map(str, PROMPT)),
            "--max-new-tokens", str(count),
        ]

    def json(self, arguments):
        result = subprocess.run(
            [*arguments, "--json"], capture_output=True, text=True, timeout=LIMIT,
            env={**os.environ, **self.environment}, preexec_fn=die_with_parent,
        )
        if result.returncode != 0:
            fail(f"{' '.join(arguments)} ends with {result.returncode}: {result.stderr}")
        return json.loads(result.stdout)

    def alone(self, count):
        """The ids of one process."""
        return self.json(self.arguments(count))["generated_ids"]

    def generate(self, count):
        """This package's client: (ids, blocks of the route, tokens a second)."""
        found = self.json([*self.arguments(count), "--swarm", self.address, "--swarm-prefix", PREFIX])
        return found["generated_ids"], [hop["blocks"] for hop in found["route"]], found["tokens_per_second"]

    def client(self, kind):
        """Petals' client, in a process of its own: its result."""
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / "result.json"
            arguments = [sys.executable, __file__, "--client", kind, self.address, file]
            # It has said all when its line comes: its end is not waited for.
            with Service(f"Petals' client ({kind})", arguments, r"^RESULT$") as process:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.process.pid, signal.SIGKILL)
                return json.loads(file.read_text())


# What torch and transformers give.


def local_model():
    import torch
    from transformers import BloomForCausalLM

    return BloomForCausalLM.from_pretrained(MODEL, torch_dtype=torch.float32).eval()


def deep_prompts(model):
    """The same prompts in each process: one in front of the input, and one for each block."""
    import torch

    generator = torch.Generator().manual_seed(7)
    hidden, blocks = model.config.hidden_size, model.config.num_hidden_layers
    first = torch.randn(PROMPT_TOKENS, hidden, generator=generator)
    return first, torch.randn(PROMPT_TOKENS, blocks * hidden, generator=generator) * 0.1


def plain(model):
    import torch

    ids = torch.tensor([PROMPT])
    with torch.inference_mode():
        return {
            "logits": model(ids).logits[0].tolist(),
            "greedy": model.generate(ids, max_new_tokens=NEW, do_sample=False)[0, len(PROMPT):].tolist(),
            "beams": model.generate(ids, max_new_tokens=NEW, do_sample=False, num_beams=3)[0, len(PROMPT):].tolist(),
        }


def deep_reference(model):
    """Logits with deep prompts, and gradients: the prompts are added by hand before each block."""
    import torch

    model.requires_grad_(False)
    first, others = (tensor.requires_grad_() for tensor in deep_prompts(model))
    hidden = model.config.hidden_size
    hooks = []
    for index, block in enumerate(model.transformer.h):

        def add(_, arguments, index=index):
            states = arguments[0].clone()
            states[:, :PROMPT_TOKENS] += others[:, index * hidden : (index + 1) * hidden]
            return (states, *arguments[1:])

        hooks.append(block.register_forward_pre_hook(add))
    words = model.transformer.word_embeddings(torch.tensor([PROMPT]))
    logits = model(inputs_embeds=torch.cat([first[None], words], dim=1)).logits[0, PROMPT_TOKENS:]
    logits.square().mean().backward()
    for hook in hooks:
        hook.remove()
    return {"logits": logits.tolist(), "first": first.grad.tolist(), "others": others.grad.tolist()}


# What Petals' client gives: each runs in a process of its own.


def distributed_model(address, **options):
    import torch
    from petals import AutoDistributedModelForCausalLM

    return AutoDistributedModelForCausalLM.from_pretrained(
        str(MODEL), initial_peers=[address], dht_prefix=PREFIX, torch_dtype=torch.float32, **options
    )


def deep_client(address):
    import torch

    model = distributed_model(address, tuning_mode="deep_ptune", pre_seq_len=PROMPT_TOKENS)
    prompts = model.transformer.prompt_embeddings.weight, model.transformer.intermediate_prompt_embeddings.weight
    with torch.no_grad():
        for weight, values in zip(prompts, deep_prompts(model)):
            weight.copy_(values)
    logits = model(torch.tensor([PROMPT])).logits[0]
    logits.square().mean().backward()
    return {"logits": logits.tolist(), "first": prompts[0].grad.tolist(), "others": prompts[1].grad.tolist()}


def rolled_back(address):
    """A session on the server of the first half that goes on from an earlier position; with what is expected."""
    import asyncio

    import torch
    from hivemind import MSGPackSerializer, deserialize_torch_tensor, serialize_torch_tensor
    from hivemind.moe.client.remote_expert_worker import RemoteExpertWorker
    from hivemind.proto import runtime_pb2
    from petals.server.handler import TransformerConnectionHandler
    from petals.utils.misc import DUMMY, DUMMY_INT64
    from petals.utils.packaging import pack_args_kwargs

    ids = torch.tensor([[*PROMPT, 10, 11, 12, 13]])
    with torch.inference_mode():
        states = local_model()(ids, output_hidden_states=True).hidden_states
    manager = distributed_model(address).transformer.h.sequence_manager
    (first, end), cut = HALVES[0], len(PROMPT)
    span = manager.make_sequence(first, end, mode="max_throughput")[0]
    # Whole, then other tokens, which are taken back, then the rest.
    steps = [(states[first][:, :cut], None), (states[first][:, :2], None), (states[first][:, cut:], cut)]

    async def session():
        stub = TransformerConnectionHandler.get_stub(manager.state.p2p, span.peer_id)
        requests = asyncio.Queue()

        async def sent():
            while (request := await requests.get()).tensors:
                yield request
            yield request

        answers, results = await stub.rpc_inference(sent()), []
        for number, (inputs, start) in enumerate(steps):
            tensors, structure = pack_args_kwargs(inputs, DUMMY, DUMMY_INT64)
            metadata = {"session_id": "rolled-back", "step_id": str(number), "args_structure": structure}
            if number == 0:
                metadata["max_length"] = 16
            if start is not None:
                metadata["start_from_position"] = start
            await requests.put(
                runtime_pb2.ExpertRequest(
                    uid=" ".join(f"{PREFIX}.{block}" for block in range(first, end)),
                    tensors=[serialize_torch_tensor(tensor) for tensor in tensors],
                    metadata=MSGPackSerializer.dumps(metadata),
                )
            )
            answer = await asyncio.wait_for(answers.__anext__(), 30)
            results.append(deserialize_torch_tensor(answer.tensors[0]))
        await requests.put(runtime_pb2.ExpertRequest())
        return results

    found, expected = RemoteExpertWorker.run_coroutine(session()), states[end]
    return {
        "before": found[0][0].tolist(), "expected before": expected[0, :cut].tolist(),
        "after": found[2][0].tolist(), "expected after": expected[0, cut:].tolist(),
    }


def client(kind, address, file):
    # Petals ends a session in its finalizer, which waits for the event loop: collected by the loop's own thread, it
    # waits for itself for ever. Without the cycle collector a session ends where it is left.
    gc.disable()
    clients = {"plain": lambda: plain(distributed_model(address)), "deep": lambda: deep_client(address),
               "rolled back": lambda: rolled_back(address)}
    pathlib.Path(file).write_text(json.dumps(clients[kind]()))
    print("RESULT", flush=True)


# What is compared.


def check(what, found, expected):
    if found != expected:
        fail(f"{what}: {found} in place of {expected}")
    say(f"{what}: equal")


def check_close(what, found, expected, most=1e-4):
    """Equality of two tables of numbers within a fraction of the largest."""
    largest = max(abs(x) for row in expected for x in row)
    if [len(row) for row in found] != [len(row) for row in expected]:
        fail(f"{what}: another shape")
    worst = max(abs(a - b) for x, y in zip(found, expected) for a, b in zip(x, y)) / largest
    if not worst <= most:
        fail(f"{what}: differ by {worst} of the largest, {most} is the most")
    say(f"{what}: differ by {worst:.1e} of the largest")


def mixed(command, daemon, order, expected, deep):
    """A swarm of which each half is served by one of the two."""
    name, swarm = " then ".join(order), Swarm(command, daemon)
    with swarm.running(*zip(order, HALVES)):
        found = swarm.client("plain")
        check_close(f"{name}: logits of Petals' client", found["logits"], expected["logits"])
        check(f"{name}: greedy ids of Petals' client", found["greedy"], expected["greedy"])
        check(f"{name}: ids of three beams of Petals' client", found["beams"], expected["beams"])
        found = swarm.client("deep")
        check_close(f"{name}: logits with deep prompts", found["logits"], deep["logits"])
        check_close(f"{name}: gradients of the prompts in front", found["first"], deep["first"])
        check_close(f"{name}: gradients of the prompts of blocks", found["others"], deep["others"])
        if order[0] == "node":
            found = swarm.client("rolled back")
            check_close("a node's session before it is rolled back", found["before"], found["expected before"])
            check_close("a node's session after it was rolled back", found["after"], found["expected after"])
        ids, route, _ = swarm.generate(NEW)
        check(f"{name}: route of generate --swarm", route, [list(blocks) for blocks in HALVES])
        check(f"{name}: greedy ids of generate --swarm", ids, expected["greedy"])


def side_by_side(command, daemon, expected):
    ready, tokens = {}, {}
    for kind in ("node", "petals"):
        swarm = Swarm(command, daemon)
        with swarm.running(*((kind, blocks) for blocks in HALVES)) as servers:
            ready[kind] = [server.seconds for server in servers]
            tokens[kind] = []
            for number in range(1, 4):
                ids, _, rate = swarm.generate(MEASURED)
                check(f"two of {kind}, {MEASURED} tokens, {number} of 3: ids", ids[: len(expected)], expected)
                tokens[kind].append(1000 / rate)
    middle = {kind: sorted(times)[1] for kind, times in tokens.items()}
    times = {kind: ", ".join(f"{x:.2f}" for x in values) for kind, values in tokens.items()}
    starts = {kind: ", ".join(f"{x:.2f}" for x in values) for kind, values in ready.items()}
    say(f"a token through two nodes takes {times['node']} ms, through two servers of Petals {times['petals']} ms")
    say(f"a node is ready after {starts['node']} s, a server of Petals after {starts['petals']} s")
    if middle["node"] > middle["petals"] * FRACTION:
        fail(f"a token through nodes takes more than {FRACTION} of the real servers' time")
    if max(ready["node"]) > READY_LIMIT:
        fail(f"a node is not ready within {READY_LIMIT} s")


def replacement(command, daemon, model, harm):
    """Brings down the node that a generation goes through, and returns how long the longest token took."""
    swarm = Swarm(command, daemon, model)
    with swarm.running(("node", HALVES[0]), ("observed", HALVES[1]), ("observed", HALVES[1])) as nodes:
        expected = swarm.alone(MEASURED)
        if len(expected) <= 2 * BROUGHT_DOWN_AFTER:
            fail(f"the model ends after {len(expected)} tokens, too few to bring a node down amid them")
        # Without a tokenizer and --json, ids are printed as they come.
        process = subprocess.Popen(
            [*swarm.arguments(MEASURED), "--quiet", "--swarm", swarm.address, "--swarm-prefix", PREFIX],
            stdout=subprocess.PIPE, env={**os.environ, **swarm.environment}, preexec_fn=die_with_parent,
        )
        guard = threading.Timer(LIMIT, process.kill)
        guard.start()
        harmed, text, longest, last = [], b"", 0, None
        try:
            while piece := os.read(process.stdout.fileno(), 1 << 16):
                now = time.monotonic()
                longest, last = max(longest, now - (last or now)), now
                text += piece
                if not harmed and text.count(b",") >= BROUGHT_DOWN_AFTER:
                    steps = [node.said(r'"observed"') for node in nodes[1:]]
                    if max(steps) == 0:
                        fail(f"{harm}: no node told of a session: {nodes[1].words()}")
                    used = nodes[1:][steps.index(max(steps))]
                    harmed = [used.process.pid]
                    if harm == "stopped with its p2pd":
                        harmed += [child.pid for child in used.descendants()]
                    for number in harmed:
                        os.kill(number, signal.SIGKILL if harm == "killed" else signal.SIGSTOP)
            status = process.wait()
        finally:
            guard.cancel()
            process.kill()
        if not harmed or status != 0:
            fail(f"{harm}: generate ends with {status} after {text.count(b',') + 1} tokens")
        if [int(word) for word in text.split(b",")] != expected:
            fail(f"a node is {harm}: the ids are not those of one process")
        return longest


PARTS = ("mixed", "times", "replaced")


def main(command, daemon, *parts):
    for part in parts:
        if part not in PARTS:
            fail(f"there is no part {part}: {', '.join(PARTS)}")
    with tempfile.TemporaryDirectory() as folder:
        model = pathlib.Path(folder) / MODEL.name
        model.mkdir()
        for file in ("config.json", "model.safetensors"):
            (model / file).symlink_to(MODEL / file)
        compare(command, daemon, model, parts or PARTS)


def compare(command, daemon, model, parts):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
        signal.signal(number, lambda number, _: fail(f"ended by {signal.Signals(number).name}"))
    signal.alarm(OVERALL_LIMIT)
    say("torch and transformers compute what is expected")
    expected = plain(local_model())
    if "mixed" in parts:
        deep = deep_reference(local_model())
        for order in (("node", "petals"), ("petals", "node")):
            mixed(command, daemon, order, expected, deep)
    if "times" in parts:
        side_by_side(command, daemon, expected["greedy"])
    if "replaced" in parts:
        compare_replacements(command, daemon, model)
    say("all is as it should be")


def compare_replacements(command, daemon, model):
    harms = ("killed", "stopped", "stopped with its p2pd")
    waits = {harm: replacement(command, daemon, model, harm) for harm in harms}
    for harm, seconds in waits.items():
        say(f"a node that is {harm} amid a generation is replaced, and the ids are the same: {seconds:.2f} s")
    if max(waits.values()) > REPLACEMENT_LIMIT:
        fail(f"a node is not replaced within {REPLACEMENT_LIMIT} s")


if __name__ == "__main__":
    if sys.argv[1] == "--client":
        client(*sys.argv[2:])
    else:
        main(pathlib.Path(sys.argv[1]).resolve(), pathlib.Path(sys.argv[2]).resolve(), *sys.argv[3:])

#!/usr/bin/env python3
"""Nodes of the command among agents in Python: chains of one, two and three, in every place and format.

    python3 -m venv .venv
    .venv/bin/pip install grpcio-tools torch numpy safetensors
    .venv/bin/python Tests/Interop/agent_chain.py COMMAND Tests/TestVectors/bloom/tiny-f16

The agents speak gRPC from the same .proto, compute BLOOM's blocks with torch, and serialise bfloat16
with torch.save and torch.load(weights_only=True), as the network's agents do. The oracle's pipeline is
served here as well: it gives each node its layers and lists the topology. For each chain, the greedy ids
must be those of a chain of agents in Python alone, and in float32 also those of the vectors.
"""

import argparse
import concurrent.futures
import http.server
import importlib
import io
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import urllib.parse
import urllib.request

import grpc
import torch
from grpc_tools import protoc
from safetensors.torch import load_file

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROTOS = ROOT / "Sources/PipelineRPC/Protos"
FORMATS = ["float32", "float16", "bfloat16"]
CHAINS = [[0, 24], [0, 12, 24], [0, 8, 16, 24]]


def compile_protos(folder):
    """The generated modules of inference_pipeline.proto."""
    source = "plumise/inference/inference_pipeline.proto"
    include = importlib.resources.files("grpc_tools") / "_proto"
    status = protoc.main(["", f"-I{PROTOS}", f"-I{include}", f"--python_out={folder}",
                          f"--grpc_python_out={folder}", source])
    if status != 0:
        sys.exit("agent_chain: the .proto was not compiled")
    sys.path.insert(0, str(folder))
    name = "plumise.inference.inference_pipeline_pb2"
    return importlib.import_module(name), importlib.import_module(name + "_grpc")


class Bloom:
    """BLOOM in torch, float32, block by block; no cache."""

    def __init__(self, folder):
        config = json.loads((folder / "config.json").read_text())
        self.heads, self.layers = config["n_head"], config["n_layer"]
        self.hidden, self.epsilon = config["hidden_size"], config["layer_norm_epsilon"]
        self.eos = config["eos_token_id"]
        weights = load_file(folder / "model.safetensors")
        self.weights = {name.removeprefix("transformer."): value.float()
                        for name, value in weights.items()}

    def norm(self, name, states):
        return torch.nn.functional.layer_norm(
            states, (self.hidden,), self.weights[f"{name}.weight"], self.weights[f"{name}.bias"],
            self.epsilon)

    def linear(self, name, states):
        return torch.nn.functional.linear(
            states, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def embed(self, ids):
        return self.norm("word_embeddings_layernorm", self.weights["word_embeddings.weight"][ids])

    def block(self, index, states):
        name, count, size = f"h.{index}", len(states), self.hidden // self.heads
        normed = self.norm(f"{name}.input_layernorm", states)
        fused = self.linear(f"{name}.self_attention.query_key_value", normed)
        query, key, value = fused.view(count, self.heads, 3, size).permute(2, 1, 0, 3)
        slopes = torch.tensor([2 ** (-8 * (head + 1) / self.heads) for head in range(self.heads)])
        scores = query @ key.transpose(1, 2) / math.sqrt(size)
        scores = scores + slopes[:, None, None] * torch.arange(count)
        scores = scores.masked_fill(torch.ones(count, count).triu(1).bool(), -math.inf)
        context = (scores.softmax(-1) @ value).transpose(0, 1).reshape(count, self.hidden)
        states = states + self.linear(f"{name}.self_attention.dense", context)
        normed = self.norm(f"{name}.post_attention_layernorm", states)
        inner = torch.nn.functional.gelu(
            self.linear(f"{name}.mlp.dense_h_to_4h", normed), approximate="tanh")
        return states + self.linear(f"{name}.mlp.dense_4h_to_h", inner)

    def run(self, layers, states):
        for index in layers:
            states = self.block(index, states)
        return states

    def choose(self, states, params, past):
        """The next id; 0 in a parameter means its default, and agents are asked greedily here."""
        scores = self.norm("ln_f", states[-1]) @ self.weights["word_embeddings.weight"].T
        penalty = params.repetition_penalty or 1.2
        for token in set(past):
            scores[token] = scores[token] / penalty if scores[token] > 0 else scores[token] * penalty
        if params.do_sample:
            raise ValueError("do_sample: this agent takes the likeliest token alone")
        return int(scores.argmax())


def serialise(states, dtype):
    batch = states[None]
    if dtype == "bfloat16":
        buffer = io.BytesIO()
        torch.save(batch.to(torch.bfloat16), buffer)
        return buffer.getvalue()
    return batch.to(getattr(torch, dtype)).numpy().tobytes()


def deserialise(data, shape, dtype):
    if dtype == "bfloat16":
        tensor = torch.load(io.BytesIO(data), weights_only=True)
        assert tensor.dtype == torch.bfloat16, tensor.dtype
    else:
        tensor = torch.frombuffer(bytearray(data), dtype=getattr(torch, dtype)).view(*shape)
    assert tensor.dim() == 3 and tensor.shape[0] == 1, tensor.shape
    return tensor[0].float()


class Agent:
    """An agent of the network: one place of a chain."""

    def __init__(self, pb2, pb2_grpc, bloom, layers):
        self.pb2, self.pb2_grpc, self.bloom, self.layers = pb2, pb2_grpc, bloom, layers
        self.next = None
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
        pb2_grpc.add_InferencePipelineServicer_to_server(self.servicer(), self.server)
        self.endpoint = f"127.0.0.1:{self.server.add_insecure_port('127.0.0.1:0')}"
        self.server.start()

    def servicer(agent):
        class Servicer(agent.pb2_grpc.InferencePipelineServicer):
            def ForwardPass(self, request, context):
                try:
                    return agent.forward(request)
                except Exception as error:
                    return agent.pb2.ForwardResponse(request_id=request.request_id, error=str(error))

        return Servicer()

    def forward(self, request):
        if request.dtype not in FORMATS:
            raise ValueError(f"Unsupported dtype '{request.dtype}'. Supported: {sorted(FORMATS)}")
        states = deserialise(request.hidden_states, request.shape, request.dtype)
        states = self.bloom.run(self.layers, states)
        answer = self.pb2.ForwardResponse(request_id=request.request_id, success=True)
        if self.layers.stop == self.bloom.layers or request.metadata.is_last:
            token = self.bloom.choose(states, request.params, request.past_token_ids)
            answer.next_token_id, answer.is_eos = token, token == self.bloom.eos
            answer.num_tokens = 0 if answer.is_eos else 1
            return answer
        shape = [1, *states.shape]
        if request.metadata.next_node_endpoint and self.next:
            passed = self.pb2.ForwardRequest(
                request_id=request.request_id, hidden_states=serialise(states, request.dtype),
                shape=shape, dtype=request.dtype, params=request.params, metadata=request.metadata)
            return call(self.pb2_grpc, self.next, passed, 60)
        answer.hidden_states, answer.dtype = serialise(states, request.dtype), request.dtype
        answer.shape.extend(shape)
        return answer


def call(pb2_grpc, endpoint, request, timeout):
    with grpc.insecure_channel(endpoint.removeprefix("http://")) as channel:
        return pb2_grpc.InferencePipelineStub(channel).ForwardPass(request, timeout=timeout)


def generate(pb2, pb2_grpc, bloom, layers, nodes, prompt, count, dtype):
    """What an agent in the first place does; `nodes` are the endpoints behind it."""
    generated = []
    while len(generated) < count:
        states = bloom.run(layers, bloom.embed(torch.tensor(prompt + generated)))
        params = pb2.GenerationParams(max_new_tokens=count, repetition_penalty=1)
        if not nodes:
            token = bloom.choose(states, params, generated)
            generated.append(token)
            continue
        request = pb2.ForwardRequest(
            request_id=f"{'ab' * 16}_s{len(generated)}", hidden_states=serialise(states, dtype),
            shape=[1, *states.shape], dtype=dtype, params=params, past_token_ids=generated,
            metadata=pb2.PipelineMetadata(
                total_nodes=len(nodes) + 1, node_index=1, is_last=len(nodes) == 1,
                requester_address="0x" + "11" * 20, original_prompt="a prompt",
                next_node_endpoint=nodes[1] if len(nodes) > 1 else ""))
        answer = call(pb2_grpc, nodes[0], request, 30)
        assert answer.success, answer.error
        assert answer.request_id == request.request_id and answer.num_tokens == 1, answer
        generated.append(answer.next_token_id)
    return generated


class Oracle(http.server.BaseHTTPRequestHandler):
    """The pipeline's routes, for the one chain that is being built."""

    layers = None
    nodes = []
    ready = threading.Event()

    def reply(self, status, body):
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.reply(200, {"model": "tiny", "nodes": self.nodes, "count": len(self.nodes)})

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == "/api/v1/pipeline/register":
            first, end = self.layers
            for node in self.nodes:
                if node["nodeAddress"] == "":
                    node.update(nodeAddress=body["address"].lower(),
                                grpcEndpoint=body["grpcEndpoint"],
                                httpEndpoint=body["httpEndpoint"])
            self.reply(201, {"success": True, "message": "Pipeline node registered successfully",
                             "layerStart": first, "layerEnd": end, "totalLayers": 24})
        elif self.path == "/api/v1/pipeline/ready":
            Oracle.ready.set()
            self.reply(201, {"success": True, "message": "Pipeline node marked as ready"})
        else:
            self.reply(201, {"success": True})

    def log_message(self, *arguments):
        pass


class Node:
    """A node of the command, in one place of a chain."""

    def __init__(self, command, model, oracle, key, dtype):
        self.process = subprocess.Popen(
            [command, "node", "--model", model, "--pipeline-oracle", oracle, "--port", "0",
             "--http-port", "0", "--key-file", key, "--pipeline-format", dtype, "--json"],
            stdout=subprocess.PIPE, text=True)
        if not Oracle.ready.wait(60):
            self.stop()
            sys.exit("agent_chain: the node did not say within 60 s that it is ready")
        # Told of the topology before it says so, it takes every pass from here on.

    def __enter__(self):
        return self

    def stop(self):
        self.process.terminate()
        self.process.communicate()

    def __exit__(self, *arguments):
        self.stop()


def http_generate(url, prompt, count, stream):
    body = {"inputs": prompt, "stream": stream,
            "parameters": {"max_new_tokens": count, "do_sample": False, "repetition_penalty": 1}}
    request = urllib.request.Request(url + "/api/v1/generate", json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as answer:
        text = answer.read().decode()
    if not stream:
        return json.loads(text)["generated_text"]
    events = [line.removeprefix("data: ") for line in text.split("\n") if line]
    assert events.pop() == "[DONE]", text
    return "".join(json.loads(event)["token"] for event in events)


def entry(order, layers, endpoint):
    return {"nodeAddress": f"0x{order + 1:040x}", "grpcEndpoint": f"http://{endpoint}",
            "httpEndpoint": "http://127.0.0.1:1", "layerStart": layers.start,
            "layerEnd": layers.stop, "pipelineOrder": order, "ready": True}


def check(options, modules, bloom, cuts, place, dtype, oracle, key, vectors):
    """One chain with our node in one place, against the same chain in Python alone."""
    pb2, pb2_grpc = modules
    prompt, expected_ids = vectors
    ranges = [range(first, end) for first, end in zip(cuts, cuts[1:])]

    def agents(but=None):
        return [None if order == but else Agent(pb2, pb2_grpc, bloom, layers)
                for order, layers in enumerate(ranges)]

    def link(endpoints, peers):
        for order, peer in enumerate(peers):
            if peer and order + 1 < len(endpoints):
                peer.next = endpoints[order + 1]

    python = agents()
    endpoints = [peer.endpoint for peer in python]
    link(endpoints, python)
    count = options.tokens
    reference = generate(pb2, pb2_grpc, bloom, ranges[0], endpoints[1:], prompt, count, dtype)
    if dtype == "float32":
        assert reference == expected_ids[:count], (reference, expected_ids)

    mixed = agents(but=place)
    Oracle.layers = (ranges[place].start, ranges[place].stop)
    Oracle.nodes = [entry(order, layers, peer.endpoint if peer else "")
                    for order, (layers, peer) in enumerate(zip(ranges, mixed))]
    Oracle.nodes[place]["nodeAddress"] = ""
    Oracle.ready.clear()
    with Node(options.command, options.model, oracle, key, dtype):
        endpoints = [node["grpcEndpoint"].removeprefix("http://") for node in Oracle.nodes]
        link(endpoints, mixed)
        if place > 0:
            ids = generate(pb2, pb2_grpc, bloom, ranges[0], endpoints[1:], prompt, count, dtype)
            assert ids == reference, (ids, reference)
        else:
            # Over gRPC the caller embeds; over HTTP the node does all that a first node does.
            states = bloom.embed(torch.tensor(prompt))
            answer = call(pb2_grpc, endpoints[0], pb2.ForwardRequest(
                hidden_states=serialise(states, "float32"), shape=[1, *states.shape],
                dtype="float32", params=pb2.GenerationParams(repetition_penalty=1),
                metadata=pb2.PipelineMetadata(
                    total_nodes=len(ranges), is_first=True,
                    next_node_endpoint=endpoints[1] if len(ranges) > 1 else "")), 60)
            assert answer.success and answer.next_token_id == expected_ids[0], answer
            text = json.loads((pathlib.Path(options.model) / "tokenizer_cases.json").read_text())
            case = next(case for case in text_cases(text) if len(case[1]) > 4)
            reference = generate(
                pb2, pb2_grpc, bloom, ranges[0], [peer.endpoint for peer in python[1:]], case[1],
                count, dtype)
            url = Oracle.nodes[0]["httpEndpoint"]
            whole = http_generate(url, case[0], count, stream=False)
            assert whole == http_generate(url, case[0], count, stream=True), whole
            decoded = json.loads(subprocess.run(
                [options.command, "tokenize", "--model", options.model, "--ids",
                 ",".join(map(str, reference)), "--json"],
                check=True, capture_output=True, text=True).stdout)["text"]
            assert whole == decoded, (whole, decoded)
    for peer in python + mixed:
        if peer:
            peer.server.stop(None)


def text_cases(cases):
    """Texts and their ids, in whichever form the file holds them."""
    for case in cases if isinstance(cases, list) else cases["cases"]:
        yield case["text"], case["ids"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("command")
    parser.add_argument("model")
    parser.add_argument("--tokens", type=int, default=6)
    options = parser.parse_args()
    torch.manual_seed(0)
    bloom = Bloom(pathlib.Path(options.model))
    expected = load_file(pathlib.Path(options.model) / "expected.safetensors")
    vectors = (expected["case2.input_ids"].flatten().tolist(),
               expected["case2.generated_ids"].flatten().tolist())
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Oracle)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    oracle = f"http://127.0.0.1:{server.server_address[1]}"
    checks = 0
    with tempfile.TemporaryDirectory() as folder, torch.no_grad():
        modules = compile_protos(folder)
        key = os.path.join(folder, "agent.key")
        with open(os.open(key, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write("0x" + "5d" * 32 + "\n")
        for cuts in CHAINS:
            for place in range(len(cuts) - 1):
                for dtype in FORMATS:
                    check(options, modules, bloom, cuts, place, dtype, oracle, key, vectors)
                    checks += 1
                    print(f"agent_chain: {len(cuts) - 1} nodes, ours in place {place}, {dtype}: "
                          "equal ids", flush=True)
    server.shutdown()
    print(f"agent_chain: torch {torch.__version__}, grpcio {grpc.__version__}: "
          f"{checks} chains give equal ids")


if __name__ == "__main__":
    main()

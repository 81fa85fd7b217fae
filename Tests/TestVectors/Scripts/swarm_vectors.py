#!/usr/bin/env python3
"""Makes ../swarm.json: bytes that hivemind itself makes, for PetalsSwarm to read and to write.

Needs Python 3.10 with hivemind 1.1.10.post2 (its protobuf messages compiled), Petals 2.2.0.post1,
torch 2.1, msgpack, bitsandbytes 0.41, numpy < 2 and pydantic < 2: `python swarm_vectors.py`.
"""

import json
import pathlib

import torch
from bitsandbytes.functional import create_dynamic_map
from hivemind import MSGPackSerializer, PeerID
from hivemind.compression import deserialize_torch_tensor, serialize_torch_tensor
from hivemind.dht.routing import DHTID
from hivemind.dht.storage import DictionaryDHTValue
from hivemind.proto import dht_pb2, p2pd_pb2, runtime_pb2
from hivemind.utils.streaming import split_for_streaming
from hivemind.utils.tensor_descr import BatchTensorDescriptor
from petals.data_structures import ModelInfo, ServerInfo, ServerState
from petals.utils.packaging import pack_args_kwargs

PEER = "12D3KooWGtqgWSLV7YCsgUxcpdJnMVPZXTSUZrv2qVAcLJozFpbf"
dumps = MSGPackSerializer.dumps


def values():
    """Each kind of value at the borders of its forms, with hivemind's bytes."""
    numbers = [0, 1, 127, 128, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1]
    numbers += [-1, -32, -33, -128, -129, -32768, -32769, -(2**31), -(2**31) - 1, -(2**63)]
    cases = [(f"int {n}", n) for n in numbers]
    cases += [(f"float {n}", n) for n in (0.0, -0.0, 1.5, 1e300, -2.5e-310)]
    cases += [("nil", None), ("true", True), ("false", False)]
    cases += [(f"text {n}", "é" * (n // 2) + "x" * (n % 2)) for n in (0, 31, 32, 255, 256)]
    cases += [(f"bytes {n}", b"\xff" * n) for n in (0, 255, 256)]
    cases += [(f"list {n}", list(range(n))) for n in (0, 15, 16)]
    cases += [(f"tuple {n}", tuple([None] * n)) for n in (0, 1, 2, 3, 7, 14, 15, 16, 300)]
    cases += [
        ("map", {"b": 1, "a": (1, ("x", b"y")), "c": {"d": [1.0]}}),
        ("map 16", {str(n): n for n in range(16)}),
        ("nested tuples", ((1, 2), ((), ("a",)), [(-1,)])),
    ]
    return [{"name": name, "bytes": dumps(value).hex()} for name, value in cases]


def descriptor():
    hidden = BatchTensorDescriptor(2048, 64, dtype=torch.float32)
    order = BatchTensorDescriptor(dtype=torch.int64)
    return {"hidden": dumps(hidden).hex(), "order": dumps(order).hex()}


def dictionary():
    value = DictionaryDHTValue()
    value.store("peer b", dumps((2, 1.5)), 2_000_000_000.5)
    value.store("peer a", dumps((0, 0.0)), 1_900_000_000.0)
    # Entries stand in the order of their insertion; the reader here sorts them by their subkeys.
    ordered = DictionaryDHTValue()
    with ordered.freeze():
        ordered.store("peer a", dumps((0, 0.0)), 1_900_000_000.0)
        ordered.store("peer b", dumps((2, 1.5)), 2_000_000_000.5)
    return {"as stored": dumps(value).hex(), "sorted": dumps(ordered).hex()}


def server():
    info = ServerInfo(
        ServerState.ONLINE, 12.5, start_block=0, end_block=12, public_name="a node",
        version="2.2.0.post1", network_rps=100.0, forward_rps=50.0, inference_rps=25.0, adapters=(),
        torch_dtype="float32", quant_type="none", using_relay=False, cache_tokens_left=4096,
        next_pings={PEER: 0.25},
    )
    return {"record": dumps(info.to_tuple()).hex(), "model": dumps(ModelInfo(24, "tiny").to_dict()).hex()}


def keys():
    return [{"key": key, "id": DHTID.generate(source=key).to_bytes().hex()}
            for key in ("tiny-petals.0", "tiny-petals.23", "_petals.models", "")]


def tensors():
    generator = torch.Generator().manual_seed(7)
    real = torch.randn(1, 5, 64, generator=generator)
    real[0, 0, :6] = torch.tensor([0.0, -0.0, 65504.0, -70000.0, 6e-8, 1e-9])
    found = {"values": real.flatten().tolist()}
    types = runtime_pb2.CompressionType
    for name, codec, tensor in [
        ("none", types.NONE, real), ("float16", types.FLOAT16, real),
        ("bfloat16", types.NONE, real.to(torch.bfloat16)), ("half", types.NONE, real.clamp(-65504, 65504).to(torch.float16)),
        ("int64", types.NONE, torch.tensor([2, 0, -1, 2**40])), ("empty", types.NONE, torch.empty(0)),
    ]:
        message = serialize_torch_tensor(tensor, codec)
        back = deserialize_torch_tensor(message).flatten().tolist()
        found[name] = {"message": message.SerializeToString(deterministic=True).hex(), "values": back}
    long = torch.randn(5000, generator=generator) * 3
    table = create_dynamic_map()
    # What hivemind's BlockwiseQuantization writes; its call of bitsandbytes fits earlier versions only.
    runs = [long[:4096], long[4096:]]
    largest = torch.stack([run.abs().max() for run in runs])
    places = torch.cat([(run[:, None] / top - table[None]).abs().argmin(1) for run, top in zip(runs, largest)])
    buffer = (torch.tensor([2, 256]).numpy().tobytes() + largest.numpy().tobytes()
              + table.numpy().tobytes() + places.to(torch.uint8).numpy().tobytes())
    message = runtime_pb2.Tensor(buffer=buffer, size=[5000], dtype="float32", compression=types.BLOCKWISE_8BIT)
    back = torch.cat([table[part] * top for part, top in zip(places.split(4096), largest)])
    found["blockwise"] = {"message": message.SerializeToString(deterministic=True).hex(),
                          "input": long.tolist(), "values": back.tolist(), "table": table.tolist()}
    pieces = list(split_for_streaming(serialize_torch_tensor(real), 500))
    found["pieces"] = [piece.SerializeToString(deterministic=True).hex() for piece in pieces]
    return found


def messages():
    """Requests and answers as hivemind's messages write them."""
    info = dht_pb2.NodeInfo(node_id=bytes(range(20)))
    arguments, structure = pack_args_kwargs(torch.zeros(1, 2, 4), torch.empty(0), torch.empty(0, dtype=torch.int64))
    metadata = dumps({"points": 0.0, "active_adapter": None, "args_structure": structure})
    request = runtime_pb2.ExpertRequest(
        uid="tiny-petals.0 tiny-petals.1", metadata=metadata,
        tensors=[serialize_torch_tensor(argument) for argument in arguments])
    peer = PeerID.from_base58(PEER)
    control = p2pd_pb2.Request(type=p2pd_pb2.Request.STREAM_OPEN, streamOpen=p2pd_pb2.StreamOpenRequest(
        peer=peer.to_bytes(), proto=["DHTProtocol.rpc_find"]))
    call = p2pd_pb2.PersistentConnectionRequest(callId=bytes(range(16)), callUnary=p2pd_pb2.CallUnaryRequest(
        peer=peer.to_bytes(), proto="DHTProtocol.rpc_ping", data=b"data"))
    ping = dht_pb2.PingRequest(peer=info, validate=True)
    store = dht_pb2.StoreRequest(keys=[bytes(20)], subkeys=[dumps(None)], values=[dumps("v")],
                                 expiration_time=[1.5], in_cache=[False], peer=info)
    find = dht_pb2.FindRequest(keys=[bytes(20), bytes(range(20))], peer=info)
    result = dht_pb2.FindResponse(peer=info, results=[dht_pb2.FindResult(
        type=dht_pb2.FOUND_REGULAR, value=dumps("v"), expiration_time=1.5, nearest_node_ids=[bytes(20)],
        nearest_peer_ids=[peer.to_bytes()])])
    named = {"request": request, "control": control, "call": call, "ping": ping, "store": store,
             "find": find, "result": result}
    found = {name: message.SerializeToString(deterministic=True).hex() for name, message in named.items()}
    found["metadata"] = metadata.hex()
    return found


def main():
    vectors = {
        "peer": {"text": PEER, "bytes": PeerID.from_base58(PEER).to_bytes().hex()},
        "values": values(), "descriptor": descriptor(), "dictionary": dictionary(), "server": server(),
        "keys": keys(), "tensors": tensors(), "messages": messages(),
    }
    target = pathlib.Path(__file__).resolve().parent.parent / "swarm.json"
    target.write_text(json.dumps(vectors, allow_nan=False, separators=(",", ":")) + "\n")


main()

"""Checks the chain with web3.py and eth-account, as a node written in Python uses it.

Start a chain and run the check with each version of web3.py that nodes use:

    petals-e2e chain --port 26902 --no-proof-of-authority &
    for version in 6 7 8; do
      python3 -m venv venv-$version && venv-$version/bin/pip install "web3==$version.*"
      venv-$version/bin/python web3_check.py http://127.0.0.1:26902
    done

With `--poa` the chain is one that `petals-e2e chain` serves without that option, whose blocks need
web3.py's middleware for Clique.

It prints one line for each step and exits with 1 at the first that fails. The chain must be a fresh
one, or at least not yet know the accounts that the check makes: each run makes new ones.
"""

import sys

import web3 as web3_package
from eth_account import Account
from web3 import HTTPProvider, Web3
from web3.exceptions import TransactionNotFound

MNEMONIC = "test test test test test test test test test test test junk"
PRECOMPILES = {n: Web3.to_checksum_address(f"0x{n:040x}") for n in (0x20, 0x21, 0x22, 0x23)}
REGISTRY = Web3.to_checksum_address("0xc9cf64344d22f02f6cdb8e7b5349f30e09f9043c")
POOL = Web3.to_checksum_address("0x0000000000000000000000000000000000001000")
CHAIN_ID = 41956


def inputs(*types):
    return [{"name": f"a{i}", "type": t} for i, t in enumerate(types)]


def function(name, arguments=(), outputs=(), view=True):
    return {"type": "function", "name": name, "inputs": inputs(*arguments),
            "outputs": [{"name": "", "type": t} for t in outputs],
            "stateMutability": "view" if view else "nonpayable"}


AGENT_TUPLE = {"name": "", "type": "tuple", "components": [
    {"name": n, "type": t} for n, t in (
        ("wallet", "address"), ("nodeId", "bytes32"), ("metadata", "string"),
        ("registeredAt", "uint256"), ("lastHeartbeat", "uint256"), ("status", "uint8"),
        ("stake", "uint256"))]}
REGISTRY_ABI = [
    function("registerAgent", ("bytes32", "string"), view=False),
    function("heartbeat", view=False),
    function("isActive", ("address",), ("bool",)),
    function("isRegistered", ("address",), ("bool",)),
    function("getActiveAgents", (), ("address[]",)),
    {**function("getAgent", ("address",)), "outputs": [AGENT_TUPLE]},
    {"type": "event", "name": "AgentRegistered", "anonymous": False, "inputs": [
        {"name": "agent", "type": "address", "indexed": True},
        {"name": "nodeId", "type": "bytes32", "indexed": True},
        {"name": "metadata", "type": "string", "indexed": False}]},
    {"type": "event", "name": "Heartbeat", "anonymous": False, "inputs": [
        {"name": "agent", "type": "address", "indexed": True},
        {"name": "timestamp", "type": "uint256", "indexed": False}]},
]
POOL_ABI = [
    function("reportContribution", ("address",) + ("uint256",) * 5, view=False),
    function("syncRewards", view=False),
    function("distributeRewards", ("uint256",), view=False),
    function("claimReward", view=False),
    function("getPendingReward", ("address",), ("uint256",)),
    function("getCurrentEpoch", (), ("uint256",)),
]


class Check:
    def __init__(self, url, is_poa=False):
        self.w3 = Web3(HTTPProvider(url))
        self.is_poa = is_poa
        Account.enable_unaudited_hdwallet_features()
        self.accounts = [
            Account.from_mnemonic(MNEMONIC, account_path=f"m/44'/60'/0'/0/{i}") for i in range(10)]
        self.steps = 0

    def step(self, title, condition, detail=""):
        if not condition:
            print(f"FAILED  {title} {detail}")
            sys.exit(1)
        self.steps += 1
        print(f"ok      {title}")

    def rpc(self, method, *parameters):
        answer = self.w3.provider.make_request(method, list(parameters))
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer["result"]

    def send(self, account, transaction, fees="market"):
        transaction = {"chainId": CHAIN_ID, "value": 0,
                       "nonce": self.w3.eth.get_transaction_count(account.address, "pending"),
                       **transaction}
        if "gasPrice" not in transaction and "maxFeePerGas" not in transaction:
            if fees == "legacy":
                transaction["gasPrice"] = self.w3.eth.gas_price
            else:
                tip = self.w3.eth.max_priority_fee
                base = self.w3.eth.get_block("latest")["baseFeePerGas"]
                transaction |= {"maxPriorityFeePerGas": tip, "maxFeePerGas": 2 * base + tip}
        signed = account.sign_transaction(transaction)
        raw = getattr(signed, "raw_transaction", None) or signed.rawTransaction
        return self.w3.eth.wait_for_transaction_receipt(
            self.w3.eth.send_raw_transaction(raw), timeout=10, poll_latency=0.05)

    def refusal(self, account, transaction):
        try:
            self.send(account, transaction)
        except Exception as error:  # the type differs between versions; the words do not
            return str(error)
        return ""

    def run(self):
        if self.is_poa:
            self.proof_of_authority()
        self.connect()
        agent = self.funded_account()
        self.precompiles(agent)
        self.blocks_and_transactions(agent)
        self.contracts(self.funded_account())
        self.filters(agent)
        self.refusals(agent)
        self.rewards(agent)

    def proof_of_authority(self):
        """Without its middleware web3.py refuses such a block; with it the seal is a field."""
        self.rpc("evm_mine")
        try:
            self.w3.eth.get_block("latest")
            self.step("97 bytes of extra data are refused without the middleware", False)
        except Exception as error:
            self.step("97 bytes of extra data are refused without the middleware",
                      "POA" in str(error) or "extraData" in str(error), error)
        try:
            from web3.middleware import ExtraDataToPOAMiddleware as middleware
        except ImportError:
            from web3.middleware import geth_poa_middleware as middleware
        self.w3.middleware_onion.inject(middleware, layer=0)
        block = self.w3.eth.get_block("latest")
        self.step("and are the seal with it", len(block["proofOfAuthorityData"]) == 97, block)
        self.step("in turn", block["difficulty"] == 2)

    def connect(self):
        self.step("connects", self.w3.is_connected())
        self.step("chain id", self.w3.eth.chain_id == CHAIN_ID, self.w3.eth.chain_id)
        self.step("net version", self.w3.net.version == str(CHAIN_ID))
        self.step("client version", bool(self.w3.client_version))
        self.step("is not syncing", self.w3.eth.syncing is False)
        self.step("is listening", self.w3.net.listening)
        addresses = [account.address for account in self.accounts]
        self.step("accounts of the well-known mnemonic", self.w3.eth.accounts == addresses)
        history = self.w3.eth.fee_history(4, "latest", [25, 75])
        self.step("fee history", len(history["baseFeePerGas"]) == len(history["gasUsedRatio"]) + 1)

    def funded_account(self):
        account = Account.create()
        funder = self.accounts[0]
        amount = Web3.to_wei(100, "ether")
        receipt = self.send(funder, {"to": account.address, "value": amount, "gas": 21000})
        self.step("transfer is mined", receipt["status"] == 1 and receipt["gasUsed"] == 21000)
        self.step("balance arrives", self.w3.eth.get_balance(account.address) == amount)
        return account

    def precompiles(self, agent):
        w3 = self.w3
        self.step("is not registered", self.rpc("agent_getStatus", agent.address)["registered"] is False)
        model = w3.keccak(text="bigscience/bloom-560m")
        capability = w3.keccak(text="inference")
        data = b"interop-agent".ljust(32, b"\0") + model + (1).to_bytes(32, "big") + capability
        receipt = self.send(
            agent, {"to": PRECOMPILES[0x21], "data": data, "gas": 300_000}, fees="legacy")
        self.step("registration is mined", receipt["status"] == 1 and receipt["type"] == 0)
        status = self.rpc("agent_getStatus", agent.address)
        self.step("agent_getStatus sees it", status["registered"] and status["metadata"] == "interop-agent",
                  status)
        self.step("no heartbeat yet", status["lastHeartbeat"] == "0x0")
        receipt = self.send(agent, {"to": PRECOMPILES[0x22], "data": b"", "gas": 100_000})
        self.step("heartbeat is mined", receipt["status"] == 1 and receipt["type"] == 2)
        beat = int(self.rpc("agent_getStatus", agent.address)["lastHeartbeat"], 16)
        self.step("heartbeat is seen", beat == w3.eth.get_block("latest")["timestamp"])
        proof = model + w3.keccak(text="in") + w3.keccak(text="out")
        proof += bytes(12) + bytes.fromhex(agent.address[2:]) + (7).to_bytes(32, "big")
        receipt = self.send(agent, {"to": PRECOMPILES[0x20], "data": proof, "gas": 200_000})
        self.step("proof is mined", receipt["status"] == 1)
        meta = self.rpc("agent_getAgentMeta", agent.address, "latest")
        self.step("agent_getAgentMeta counts it", meta["inferenceCount"] == "0x1", meta)
        receipt = self.send(agent, {"to": PRECOMPILES[0x23], "data": b"", "gas": 100_000})
        self.step("claim of nothing succeeds", receipt["status"] == 1)
        receipt = self.send(agent, {"to": PRECOMPILES[0x21], "data": data, "gas": 300_000})
        self.step("second registration is reverted", receipt["status"] == 0)

    def blocks_and_transactions(self, agent):
        w3 = self.w3
        receipt = self.send(agent, {"to": PRECOMPILES[0x22], "data": b"", "gas": 100_000})
        block = w3.eth.get_block(receipt["blockNumber"], full_transactions=True)
        self.step("block by number", block["hash"] == receipt["blockHash"])
        self.step("block by hash", w3.eth.get_block(block["hash"])["number"] == block["number"])
        transaction = w3.eth.get_transaction(receipt["transactionHash"])
        self.step("transaction by hash", transaction["from"] == agent.address
                  and transaction["to"] == PRECOMPILES[0x22])
        self.step("transaction in the block", block["transactions"][0]["hash"] == transaction["hash"])
        self.step("transaction by place", w3.eth.get_transaction_by_block(
            block["number"], 0)["hash"] == transaction["hash"])
        self.step("transactions are counted", w3.eth.get_block_transaction_count(block["number"]) == 1)
        self.step("parent", w3.eth.get_block(block["number"] - 1)["hash"] == block["parentHash"])
        self.step("balance of the past", w3.eth.get_balance(
            agent.address, block["number"] - 1) > w3.eth.get_balance(agent.address))
        try:
            w3.eth.get_transaction_receipt("0x" + "11" * 32)
            self.step("unknown receipt", False)
        except TransactionNotFound:
            self.step("unknown receipt", True)
        gas = w3.eth.estimate_gas({"from": agent.address, "to": PRECOMPILES[0x22], "data": "0x"})
        self.step("gas estimate", gas == 21000, gas)
        receipts = self.rpc("eth_getBlockReceipts", hex(block["number"]))
        self.step("receipts of a block", len(receipts) == 1)

    def contracts(self, agent):
        w3 = self.w3
        registry = w3.eth.contract(address=REGISTRY, abi=REGISTRY_ABI)
        self.step("contract has code", len(w3.eth.get_code(REGISTRY)) > 0)
        node = w3.keccak(text="node")
        call = registry.functions.registerAgent(node, '{"name":"interop"}')
        built = call.build_transaction({
            "from": agent.address, "nonce": w3.eth.get_transaction_count(agent.address)})
        receipt = self.send(agent, built)
        self.step("registerAgent is mined", receipt["status"] == 1)
        events = registry.events.AgentRegistered().process_receipt(receipt)
        self.step("its event", events[0]["args"]["nodeId"] == node
                  and events[0]["args"]["metadata"] == '{"name":"interop"}')
        self.step("isRegistered", registry.functions.isRegistered(agent.address).call())
        self.step("isActive", registry.functions.isActive(agent.address).call())
        record = registry.functions.getAgent(agent.address).call()
        self.step("getAgent", record[0] == agent.address and record[2] == '{"name":"interop"}', record)
        self.step("getActiveAgents", agent.address in registry.functions.getActiveAgents().call())
        logs = registry.events.AgentRegistered().get_logs(
            **{("from_block" if web3_package.__version__ >= "7" else "fromBlock"): 0})
        self.step("logs", any(log["args"]["agent"] == agent.address for log in logs))
        try:
            call.call({"from": agent.address})
            self.step("revert reason", False)
        except Exception as error:
            self.step("revert reason", "AgentRegistry: already registered" in str(error), error)

    def filters(self, agent):
        w3 = self.w3
        blocks, pending = w3.eth.filter("latest"), w3.eth.filter("pending")
        logs = w3.eth.filter({"address": REGISTRY})
        receipt = self.send(agent, {"to": REGISTRY, "gas": 100_000,
                                    "data": w3.keccak(text="heartbeat()")[:4]})
        self.step("block filter", receipt["blockHash"] in blocks.get_new_entries())
        self.step("pending filter", receipt["transactionHash"] in pending.get_new_entries())
        entries = logs.get_new_entries()
        self.step("log filter", len(entries) == 1
                  and entries[0]["transactionHash"] == receipt["transactionHash"], entries)
        self.step("log filter is drained", logs.get_new_entries() == [])
        self.step("filter is removed", w3.eth.uninstall_filter(blocks.filter_id))

    def refusals(self, agent):
        heartbeat = {"to": PRECOMPILES[0x22], "data": b"", "gas": 100_000}
        self.step("nonce too low", "nonce too low: next nonce" in self.refusal(
            agent, {**heartbeat, "nonce": 0}))
        self.step("not enough PLM", "insufficient funds for gas * price + value" in self.refusal(
            agent, {**heartbeat, "value": 10**24}))
        self.step("too little gas", "intrinsic gas too low" in self.refusal(
            agent, {**heartbeat, "gas": 20_000}))
        self.step("other chain", "invalid sender" in self.refusal(
            agent, {**heartbeat, "chainId": 1}))
        stranger = Account.create()
        self.step("no coins", "insufficient funds" in self.refusal(stranger, heartbeat))

    def rewards(self, agent):
        w3, oracle = self.w3, self.accounts[9]
        pool = w3.eth.contract(address=POOL, abi=POOL_ABI)

        def call(account, function):
            return self.send(account, {"to": POOL, "gas": 500_000, "data": pool.encode_abi(
                *function) if hasattr(pool, "encode_abi") else pool.encodeABI(*function)})

        epoch = pool.functions.getCurrentEpoch().call()
        receipt = call(oracle, ("reportContribution", [agent.address, 5, 3600, 80, 1000, 9000]))
        self.step("contribution is reported", receipt["status"] == 1)
        self.step("rewards are counted", call(oracle, ("syncRewards", []))["status"] == 1)
        self.rpc("hardhat_mine", hex(1200))
        self.step("epoch ended", pool.functions.getCurrentEpoch().call() == epoch + 1)
        self.step("rewards are distributed", call(oracle, ("distributeRewards", [epoch]))["status"] == 1)
        owed = pool.functions.getPendingReward(agent.address).call()
        self.step("reward is pending", owed > 0)
        before = w3.eth.get_balance(agent.address)
        receipt = self.send(agent, {"to": PRECOMPILES[0x23], "data": b"", "gas": 300_000})
        paid = w3.eth.get_balance(agent.address) - before
        fee = receipt["gasUsed"] * receipt["effectiveGasPrice"]
        self.step("reward is paid", paid == owed - fee, (paid, owed, fee))


if __name__ == "__main__":
    urls = [argument for argument in sys.argv[1:] if not argument.startswith("--")]
    check = Check(urls[0] if urls else "http://127.0.0.1:26902", is_poa="--poa" in sys.argv)
    check.run()
    print(f"web3.py {web3_package.__version__}: {check.steps} steps passed")

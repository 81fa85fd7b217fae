"""What web3.py's own module tests need of a chain: its contracts deployed, some blocks, an account.

web3.py's repository starts go-ethereum on a data directory for each test. Here one chain serves them all: the
contracts are deployed once, and each test begins from a snapshot of the chain after that.
"""

import json
import urllib.request

import pytest
import pytest_asyncio
from eth_utils import to_bytes
from web3 import Web3
from web3._utils.contract_sources.contract_data._custom_contract_data import EMITTER_ENUM
from web3._utils.contract_sources.contract_data.emitter_contract import EMITTER_CONTRACT_DATA
from web3._utils.contract_sources.contract_data.math_contract import MATH_CONTRACT_DATA
from web3._utils.contract_sources.contract_data.offchain_lookup import OFFCHAIN_LOOKUP_DATA
from web3._utils.contract_sources.contract_data.panic_errors_contract import PANIC_ERRORS_CONTRACT_DATA
from web3._utils.contract_sources.contract_data.revert_contract import REVERT_CONTRACT_DATA
from web3._utils.contract_sources.contract_data.storage_contract import STORAGE_CONTRACT_DATA

CONTRACTS = {
    "math": MATH_CONTRACT_DATA, "emitter": EMITTER_CONTRACT_DATA, "revert": REVERT_CONTRACT_DATA,
    "offchain_lookup": OFFCHAIN_LOOKUP_DATA, "panic_errors": PANIC_ERRORS_CONTRACT_DATA,
    "storage": STORAGE_CONTRACT_DATA,
}
# As in web3.py's own run.
SECONDS_BETWEEN_BLOCKS = 3
# The first account of the mnemonic that the chain's accounts have.
ACCOUNT = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"
# Senders of transactions that the tests have signed: of versions 7 and 8, and of version 6.
RAW_ACCOUNT = "0x39EEed73fb1D3855E90Cbd42f348b3D7b340aAA6"
OLD_RAW_ACCOUNT = "0x12efDc31B1a8FA1A1e756DFD8A1601055C971E13"
KEY = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80"


def pytest_addoption(parser):
    parser.addoption("--chain", required=True, help="the chain's URL, http://…")


@pytest.fixture(scope="session")
def chain_url(request):
    return request.config.getoption("--chain")


def request(url, method, *params):
    message = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    with urllib.request.urlopen(urllib.request.Request(
            url, message.encode(), {"Content-Type": "application/json"})) as response:
        answer = json.load(response)
    assert "error" not in answer, f"{method}: {answer}"
    return answer["result"]


@pytest.fixture(scope="session")
def deployed(chain_url):
    """Addresses, transactions and blocks on the chain, which is left at one after them."""
    chain = Web3(Web3.HTTPProvider(chain_url))
    found = {}
    snapshot = request(chain_url, "evm_snapshot")
    for address in RAW_ACCOUNT, OLD_RAW_ACCOUNT:
        request(chain_url, "anvil_setBalance", address, hex(10**24))

    def mined(hash):
        request(chain_url, "evm_mine")
        return chain.eth.get_transaction_receipt(hash)

    for name, data in CONTRACTS.items():
        receipt = mined(chain.eth.contract(**data).constructor().transact({"from": ACCOUNT}))
        assert receipt["status"] == 1, f"{name} was not created"
        found[name] = receipt["contractAddress"]
        found[name, "creation"] = receipt["transactionHash"]
    emitter = chain.eth.contract(found["emitter"], abi=EMITTER_CONTRACT_DATA["abi"])
    logged = mined(emitter.functions.logDouble(
        which=EMITTER_ENUM["LogDoubleWithIndex"], arg0=12345, arg1=54321).transact({"from": ACCOUNT}))
    found["logged"], found["block of the log"] = logged["transactionHash"], logged["blockHash"]
    reverting = chain.eth.contract(found["revert"], abi=REVERT_CONTRACT_DATA["abi"]).functions
    for name in "revertWithMessage", "revertWithoutMessage":
        receipt = mined(reverting[name]().transact({"from": ACCOUNT, "gas": 320000}))
        assert receipt["status"] == 0
        found[name] = receipt["blockHash"]
    request(chain_url, "evm_mine")
    found["empty"] = chain.eth.get_block("latest")["hash"]
    receipt = mined(chain.eth.send_transaction(
        {"from": ACCOUNT, "to": ACCOUNT, "value": 1, "gas": 21000, "gasPrice": chain.eth.gas_price}))
    found["mined"], found["block"] = receipt["transactionHash"], receipt["blockHash"]
    # Version 6 asks for the coinbase and sends from it; the tips until here went to another account.
    request(chain_url, "anvil_setCoinbase", ACCOUNT)
    yield found
    request(chain_url, "evm_revert", snapshot)


@pytest.fixture(autouse=True)
def restored(chain_url, deployed):
    snapshot = request(chain_url, "evm_snapshot")
    # The time to the next block begins anew: a test that replaces a transaction does so before it.
    request(chain_url, "evm_setIntervalMining", 0)
    request(chain_url, "evm_setIntervalMining", SECONDS_BETWEEN_BLOCKS)
    yield
    request(chain_url, "evm_revert", snapshot)


# What the tests ask for, under the names of web3.py's repository.

@pytest.fixture(params=[lambda address: address, lambda address: to_bytes(hexstr=address)],
                ids=["address_conversion_func=text", "address_conversion_func=bytes"])
def address_conversion_func(request):
    return request.param


@pytest.fixture
def skip_if_testrpc():
    return lambda w3: None


@pytest.fixture
def async_skip_if_testrpc():
    return lambda w3: None


@pytest.fixture
def w3(chain_url):
    return Web3(Web3.HTTPProvider(chain_url, request_kwargs={"timeout": 10}))


def answers(name, value):
    """A fixture of that name, and one that begins with async_."""
    def plain(deployed):
        return value(deployed)

    async def later(deployed):
        return value(deployed)

    globals()[name] = pytest.fixture(name=name)(plain)
    globals()["async_" + name] = pytest_asyncio.fixture(name="async_" + name)(later)


answers("keyfile_account_pkey", lambda deployed: KEY)
for _name in ("keyfile_account_address", "coinbase", "unlocked_account", "unlockable_account"):
    answers(_name, lambda deployed: ACCOUNT)
answers("unlockable_account_pw", lambda deployed: "web3py-test")
answers("math_contract_deploy_txn_hash", lambda deployed: deployed["math", "creation"])
answers("mined_txn_hash", lambda deployed: deployed["mined"])
answers("txn_hash_with_log", lambda deployed: deployed["logged"])
answers("block_hash_revert_with_msg", lambda deployed: deployed["revertWithMessage"])
answers("block_hash_revert_no_msg", lambda deployed: deployed["revertWithoutMessage"])


def dual(name):
    """The address as text and as bytes, where the tests of version 6 and later want both."""
    def converted(address_conversion_func, deployed):
        return ACCOUNT if name.startswith("keyfile") else address_conversion_func(ACCOUNT)

    for each in (name + "_dual_type", "async_" + name + "_dual_type"):
        globals()[each] = pytest.fixture(name=each)(converted)


for _name in ("keyfile_account_address", "unlocked_account", "unlockable_account"):
    dual(_name)


def contract(name):
    def plain(w3, deployed):
        return w3.eth.contract(deployed[name], **CONTRACTS[name])

    def later(async_w3, deployed):
        return async_w3.eth.contract(deployed[name], **CONTRACTS[name])

    def address(address_conversion_func, deployed):
        return address_conversion_func(deployed[name])

    for prefix, function in ("", plain), ("async_", later):
        full = f"{prefix}{name}_contract"
        globals()[full] = pytest.fixture(name=full)(function)
        globals()[full + "_address"] = pytest.fixture(name=full + "_address")(address)


for _name in CONTRACTS:
    contract(_name)


def block(name, key):
    def plain(w3, deployed):
        return w3.eth.get_block(deployed[key])

    async def later(async_w3, deployed):
        return await async_w3.eth.get_block(deployed[key])

    globals()[name] = pytest.fixture(name=name)(plain)
    globals()["async_" + name] = pytest_asyncio.fixture(name="async_" + name)(later)


block("empty_block", "empty")
block("block_with_txn", "block")
block("block_with_txn_with_log", "block of the log")


@pytest.fixture
def funded_account_for_raw_txn():
    return RAW_ACCOUNT


@pytest.fixture
def request_mocker():
    from web3._utils.module_testing.utils import RequestMocker
    return RequestMocker


@pytest.fixture
def datadir():
    return "/nowhere"

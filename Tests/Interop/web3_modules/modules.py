"""The classes of web3.py's module tests, which differ a little from version to version."""

import importlib
import pkgutil

import pytest
import web3
import web3._utils.module_testing as package

MAJOR = int(web3.__version__.split(".")[0])

# What go-ethereum's own run of these tests marks as failing, and so does not require.
NOT_REQUIRED = {
    "test_admin_peers", "test_admin_start_stop_http", "test_admin_start_stop_ws",
    "test_eth_sign_typed_data", "test_invalid_eth_sign_typed_data",
}
# What go-ethereum 1.13.15, and so this chain, has not; Documentation/Chain.md lists them too. A test that
# passes nevertheless is reported.
NO_NODE = "the chain has no peers and no data directory"
WITHOUT = {
    "test_eth_blob_base_fee": "go-ethereum 1.13.15 has no eth_blobBaseFee",
    "test_eth_simulate_v1": "go-ethereum 1.13.15 has no eth_simulateV1",
    "test_sign_authorization_send_raw_and_send_set_code_transactions":
        "transactions that set code are of the Prague fork",
    "test_add_peer": NO_NODE, "test_admin_datadir": NO_NODE, "test_datadir": NO_NODE,
    "test_admin_node_info": NO_NODE, "test_node_info": NO_NODE, "test_nodes": NO_NODE,
}
# Of version 6 alone.
NO_KEY_STORE = "the chain keeps no key files: its accounts are always unlocked"
if MAJOR == 6:
    WITHOUT |= {
        name: NO_KEY_STORE for name in (
            "test_personal_import_raw_key", "test_personal_list_accounts", "test_personal_list_wallets",
            "test_personal_lock_account", "test_personal_unlock_account_success",
            "test_personal_unlock_account_failure", "test_personal_new_account",
            "test_personal_send_transaction", "test_import_key", "test_list_accounts",
            "test_list_wallets", "test_new_account", "test_unlock_lock_account",
            "test_send_transaction")}
    WITHOUT["AsyncEthModuleTest.test_eth_send_raw_transaction"] = (
        "a transaction without a tip is refused; go-ethereum takes it from its own users")


def tests(wanted):
    """Subclasses that pytest collects: those whose name is wanted."""
    found = {}
    for module in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{module.name}")
        for name, value in vars(module).items():
            is_tests = isinstance(value, type) and name.endswith("ModuleTest")
            is_tests = is_tests or name == "PersistentConnectionProviderTest"
            if not is_tests or value.__module__ != module.__name__ or not wanted(name):
                continue
            members = {"_check_web3_client_version": check_version}
            for test in dir(value):
                if test in NOT_REQUIRED:
                    members[test] = None
                    continue
                reason = WITHOUT.get(test.replace("test_async_", "test_")) or WITHOUT.get(f"{name}.{test}")
                if reason:
                    members[test] = pytest.mark.xfail(reason=reason, strict=True)(getattr(value, test))
            found["Test" + name] = type("Test" + name, (value,), members)
    return found


def check_version(self, version):
    assert version.startswith("PlumiseMockWeb3/v"), version

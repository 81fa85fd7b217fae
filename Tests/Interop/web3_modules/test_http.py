"""web3.py's own module tests over HTTP, as its repository runs them against go-ethereum."""

import modules
import pytest_asyncio
from web3 import AsyncHTTPProvider, AsyncWeb3


@pytest_asyncio.fixture
async def async_w3(chain_url):
    provider = AsyncHTTPProvider(chain_url)
    yield AsyncWeb3(provider)
    if hasattr(provider, "disconnect"):
        await provider.disconnect()


globals().update(modules.tests(lambda name: "Persistent" not in name))

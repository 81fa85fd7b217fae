"""web3.py's own module tests over a WebSocket, as its repository runs them against go-ethereum."""

import modules
import pytest_asyncio
from web3 import AsyncWeb3


@pytest_asyncio.fixture
async def async_w3(chain_url):
    url = chain_url.replace("http:", "ws:")
    if modules.MAJOR == 6:
        from web3.providers import WebsocketProviderV2
        async with AsyncWeb3.persistent_websocket(WebsocketProviderV2(url, request_timeout=10)) as w3:
            yield w3
    else:
        from web3 import WebSocketProvider
        w3 = await AsyncWeb3(WebSocketProvider(url, request_timeout=10))
        yield w3
        await w3.provider.disconnect()


globals().update(modules.tests(lambda name: "Async" in name or "Persistent" in name))

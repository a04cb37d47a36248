# scaffold:file if cache

import os
import unittest

from redis.exceptions import ConnectionError as CacheConnectionError

from service.cache import Cache
from service.service import Service
from tests.support import get


class CacheTest(unittest.IsolatedAsyncioTestCase):
    async def test_a_bad_address_is_refused_without_showing_it(self):
        for uri in (
            "redis://user:hunter2@host:port/0",
            "http://user:hunter2@host/0",
            "user:hunter2",
        ):
            with self.assertRaises(ValueError) as raised:
                Cache({"CACHE_URL": uri})
            self.assertNotIn("hunter2", repr(raised.exception))
        with self.assertRaises(ValueError):
            Cache({})

    async def test_not_ready_without_the_cache(self):
        # Port 1 is reserved: nothing listens there.
        async with Cache({"CACHE_URL": "redis://:hunter2@127.0.0.1:1/0"}) as cache:
            service = Service()
            cache.serve(service)
            self.assertEqual((await get(service, "/ready"))[0], 503)
            self.assertEqual((await get(service, "/"))[0], 503)
            with self.assertRaises(CacheConnectionError) as raised:
                await cache.ping()
        self.assertNotIn("hunter2", repr(raised.exception))

    @unittest.skipUnless(os.environ.get("CACHE_URL"), "CACHE_URL is not set")
    async def test_the_cache_counts(self):
        async with Cache(os.environ) as cache:
            service = Service()
            cache.serve(service)
            self.assertEqual((await get(service, "/ready"))[0], 200)
            _, first = await get(service, "/")
            _, second = await get(service, "/")
            self.assertGreaterEqual(first["visits"], 1)
            self.assertGreater(second["visits"], first["visits"])

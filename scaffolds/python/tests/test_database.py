# scaffold:file if database

import os
import unittest

from psycopg_pool import PoolTimeout

from service.database import Database
from service.service import Service
from tests.support import get


class DatabaseTest(unittest.IsolatedAsyncioTestCase):
    async def test_a_bad_address_is_refused_without_showing_it(self):
        for uri in (
            "postgres://user:hunter2@host:port/name",
            "mysql://user:hunter2@host/name",
            "user:hunter2",
        ):
            with self.assertRaises(ValueError) as raised:
                Database({"DATABASE_URL": uri})
            self.assertNotIn("hunter2", repr(raised.exception))
        with self.assertRaises(ValueError):
            Database({})

    async def test_not_ready_without_the_database(self):
        # Port 1 is reserved: nothing listens there.
        uri = "postgres://user:hunter2@127.0.0.1:1/name"
        with self.assertLogs("psycopg.pool") as logs:
            async with Database({"DATABASE_URL": uri}) as database:
                database.pool.timeout = 0.1
                service = Service()
                database.serve(service)
                self.assertEqual((await get(service, "/ready"))[0], 503)
                self.assertEqual((await get(service, "/"))[0], 503)
                with self.assertRaises(PoolTimeout) as raised:
                    await database.ping()
        self.assertNotIn("hunter2", repr(raised.exception))
        self.assertNotIn("hunter2", "".join(logs.output))

    @unittest.skipUnless(os.environ.get("DATABASE_URL"), "DATABASE_URL is not set")
    async def test_the_database_answers(self):
        async with Database(os.environ) as database:
            service = Service()
            database.serve(service)
            self.assertEqual((await get(service, "/ready"))[0], 200)
            code, answer = await get(service, "/")
            self.assertEqual(code, 200)
            self.assertTrue(answer["database"])

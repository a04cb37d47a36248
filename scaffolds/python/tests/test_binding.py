# scaffold:file if database or cache

import tempfile
import unittest
from pathlib import Path

from service.binding import address


class Address(unittest.TestCase):
    def test_the_variable_wins_and_then_the_first_binding_of_a_type(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        root = Path(folder.name)
        # As Kubernetes mounts them.
        for entry, content in {
            "a-cache/type": "redis",
            "a-cache/uri": "redis://cache:6379\n",
            "b-database/type": "postgresql\n",
            "b-database/uri": "postgres://database",
            "c-queue/type": "rabbitmq",
            "..data/uri": "no type",
            "a-file": "no binding",
        }.items():
            (root / entry).parent.mkdir(exist_ok=True)
            (root / entry).write_text(content)

        bound = {"SERVICE_BINDING_ROOT": folder.name}
        for env, types, want in (
            ({"X_URL": "redis://here", **bound}, ["redis"], "redis://here"),
            (bound, ["redis"], "redis://cache:6379"),
            (bound, ["postgres", "postgresql"], "postgres://database"),
        ):
            self.assertEqual(address(env, "X_URL", *types), want)
        for env, types, want in (
            (bound, ["mysql"], "of type mysql"),
            (bound, ["rabbitmq"], "c-queue"),
            ({"SERVICE_BINDING_ROOT": str(root / "none")}, ["redis"], "the bindings"),
            ({}, ["redis"], "neither X_URL nor SERVICE_BINDING_ROOT"),
        ):
            with self.assertRaisesRegex(ValueError, want):
                address(env, "X_URL", *types)

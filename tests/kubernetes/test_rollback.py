"""scripts/rollback, run against the manifests of production in a cluster that is only simulated."""
import copy
import os
import pathlib
import socketserver
import subprocess
import tempfile
import threading
import unittest

import manifests
from cluster import Cluster

ROOT = pathlib.Path(__file__).resolve().parents[2]
EDGES, WORKERS = ("twilio-server-blue", "twilio-server-green"), ("twilio-server-worker-blue", "twilio-server-worker-green")
SERVICE = "twilio-server-service"
TO_BLUE = 'patch service twilio-server-service -p {"spec":{"selector":{"version":"blue"}}}'


class Rollback(unittest.TestCase):
    def setUp(self):
        """Green has the traffic, and blue still runs."""
        items = manifests.of("production") + manifests.of("production/green")
        self.cluster = Cluster(copy.deepcopy(items))
        self.cluster.get("service", SERVICE)["spec"]["selector"]["version"] = "green"
        self.assertEqual(self.cluster.receivers(SERVICE), {"twilio-server-green"})
        # The exit status of curl.
        self.health = 0
        self.asked = []

    def answer(self, name, arguments):
        if name == "curl":
            self.asked.append(arguments[-1])
            self.traffic_at_health = self.cluster.receivers(SERVICE)
            return self.health, "" if self.health == 0 else "curl: (22) The requested URL returned error: 503\n"
        return self.cluster.run(arguments)

    def rollback(self, *options):
        """Runs the script, and returns its exit status and its output."""
        test = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                line = lambda: self.rfile.readline().decode().removesuffix("\n")
                count, name = int(line()), line()
                status, text = test.answer(name, [line() for _ in range(count)])
                self.wfile.write(f"{status}\n{text}".encode())

        with tempfile.TemporaryDirectory() as folder:
            for name in ("kubectl", "curl"):
                pathlib.Path(folder, name).symlink_to(ROOT / "tests/kubernetes/kubectl")
            with socketserver.TCPServer(("127.0.0.1", 0), Handler) as server:
                thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
                thread.start()
                environment = {"PATH": f"{folder}:{os.environ['PATH']}", "CLUSTER": str(server.server_address[1])}
                done = subprocess.run([ROOT / "scripts/rollback", *options], env=environment, capture_output=True,
                                      text=True, check=False, timeout=60)
                server.shutdown()
                thread.join()
        return done.returncode, done.stdout + done.stderr

    def assert_failed(self, text, traffic, green_runs=True):
        """The rollback fails with this text, and leaves the traffic with these deployments."""
        status, output = self.rollback()
        self.assertNotEqual(status, 0, output)
        self.assertIn(text, output)
        self.assertNotIn("completed successfully", output)
        self.assertEqual(self.cluster.receivers(SERVICE), traffic, output)
        self.assertEqual(self.cluster.ready("twilio-server-green") > 0, green_runs, output)

    def test_all_traffic_goes_to_blue_and_green_is_stopped(self):
        status, output = self.rollback()
        self.assertEqual(status, 0, output)
        self.assertTrue(output.endswith("Rollback completed successfully\n"), output)
        self.assertEqual(self.cluster.receivers(SERVICE), {"twilio-server-blue"})
        self.assertEqual([self.cluster.ready(name) for name in (EDGES[1], WORKERS[1])], [0, 0])
        self.assertTrue(all(self.cluster.ready(name) for name in (EDGES[0], WORKERS[0])))

    def test_it_does_the_steps_of_the_document_in_an_order_in_which_somebody_always_answers(self):
        self.rollback()
        changing = [command for command in self.cluster.commands if command.split()[0] in ("patch", "scale")]
        self.assertEqual(changing, [
            TO_BLUE,
            "scale deployment twilio-server-green --replicas=0",
            "scale deployment twilio-server-worker-green --replicas=0",
        ])
        self.assertEqual(self.cluster.commands[-1], "get pods -l version=blue")
        self.assertEqual(self.asked, ["https://api.nevermisscall.com/twilio/health"])
        self.assertEqual(self.traffic_at_health, {"twilio-server-blue"})

    def test_it_can_be_repeated(self):
        self.rollback()
        status, output = self.rollback()
        self.assertEqual(status, 0, output)
        self.assertEqual(self.cluster.receivers(SERVICE), {"twilio-server-blue"})

    def test_traffic_that_both_colours_share_goes_to_blue(self):
        del self.cluster.get("service", SERVICE)["spec"]["selector"]["version"]
        self.assertEqual(self.cluster.receivers(SERVICE), set(EDGES))
        self.assertEqual(self.rollback()[0], 0)
        self.assertEqual(self.cluster.receivers(SERVICE), {"twilio-server-blue"})

    def test_a_blue_that_was_stopped_is_started_with_as_many_as_green_before_it_gets_traffic(self):
        for name, replicas in zip(EDGES + WORKERS, (0, 5, 0, 3)):
            self.cluster.get("deployment", name)["spec"]["replicas"] = replicas
        self.assertEqual(self.rollback()[0], 0)
        self.assertEqual([self.cluster.ready(name) for name in EDGES + WORKERS], [5, 0, 3, 0])
        started = self.cluster.commands.index("scale deployment twilio-server-blue --replicas=5")
        self.assertLess(started, self.cluster.commands.index(TO_BLUE))

    def test_a_blue_whose_edges_are_not_ready_gets_no_traffic(self):
        self.cluster.broken = ["twilio-server-blue"]
        self.assert_failed("twilio-server-blue is not ready", {"twilio-server-green"})
        self.assertNotIn(TO_BLUE, self.cluster.commands)

    def test_a_blue_whose_workers_are_not_ready_gets_no_traffic(self):
        self.cluster.broken = ["twilio-server-worker-blue"]
        self.assert_failed("twilio-server-worker-blue is not ready", {"twilio-server-green"})
        self.assertNotIn(TO_BLUE, self.cluster.commands)

    def test_green_is_kept_if_blue_does_not_answer(self):
        self.health = 22
        self.assert_failed("does not answer that it is healthy", {"twilio-server-blue"})

    def test_green_is_kept_if_the_service_does_not_keep_its_selector(self):
        self.cluster.stubborn_selector = "green"
        self.assert_failed("selects the version green", {"twilio-server-green"})

    def test_a_kubectl_that_fails_at_any_step_fails_the_rollback_and_never_leaves_the_service_without_pods(self):
        self.rollback()
        steps = list(self.cluster.commands)
        self.assertGreater(len(steps), 9)
        for step in steps:
            with self.subTest(step):
                self.setUp()
                self.cluster.failing = [step]
                status, output = self.rollback()
                self.assertNotEqual(status, 0)
                self.assertIn("FAILED", output)
                self.assertNotIn("completed successfully", output)
                self.assertTrue(self.cluster.receivers(SERVICE))

    def test_every_command_gets_the_options_of_the_command_line(self):
        self.assertEqual(self.rollback("--namespace=nevermisscall")[0], 0)
        self.assertTrue(all("--namespace=nevermisscall" in command for command in self.cluster.commands))


if __name__ == "__main__":
    unittest.main()

"""What must hold between the objects of deploy/kubernetes, which no schema says."""
import os
import pathlib
import re
import subprocess
import unittest

import yaml

import manifests
from manifests import ENVIRONMENTS, ROOT, select


PROGRAM = ROOT / os.environ.get("PROGRAM", "target/debug/nevermisscall")


def labels(workload):
    return workload["spec"]["template"]["metadata"]["labels"]


def pods(workload):
    return workload["spec"]["template"]["spec"]


def selected(items, selector):
    """The names of the deployments whose pods a selector selects."""
    return {item["metadata"]["name"] for item in select(items, "Deployment") if selector.items() <= labels(item).items()}


class Manifests(unittest.TestCase):
    def each(self):
        for environment in ENVIRONMENTS:
            with self.subTest(environment):
                yield environment, manifests.everything(environment)

    def test_the_service_selects_the_edges_of_one_colour_and_without_version_those_of_both(self):
        for _, items in self.each():
            selector = dict(select(items, "Service", "twilio-server-service")["spec"]["selector"])
            self.assertEqual(selector["version"], "blue")
            for colour in ("blue", "green"):
                self.assertEqual(selected(items, selector | {"version": colour}), {f"twilio-server-{colour}"})
            del selector["version"]
            self.assertEqual(selected(items, selector), {"twilio-server-blue", "twilio-server-green"})

    def test_what_always_runs_has_no_green_so_that_applying_it_leaves_green_alone(self):
        for environment in ENVIRONMENTS:
            names = {item["metadata"]["name"] for item in select(manifests.of(environment), "Deployment")}
            self.assertEqual(names, {"twilio-server-blue", "twilio-server-worker-blue"})

    def test_each_selector_of_a_workload_selects_its_own_pods_and_no_others(self):
        for _, items in self.each():
            for kind in ("Deployment", "PodDisruptionBudget"):
                for item in select(items, kind):
                    name = item["metadata"]["name"]
                    self.assertEqual(selected(items, item["spec"]["selector"]["matchLabels"]), {name}, kind)
            for item in select(items, "Deployment"):
                [spread] = pods(item)["topologySpreadConstraints"]
                self.assertEqual(spread["labelSelector"]["matchLabels"], item["spec"]["selector"]["matchLabels"])

    def test_each_worker_is_scaled_by_the_lag_and_no_edge_is(self):
        with open(ROOT / "deploy/kubernetes/prometheus-adapter.yaml", encoding="utf-8") as file:
            [rule] = yaml.safe_load(file)["rules"]["external"]
        self.assertIn("`nmc_consumer_lag`", (ROOT / "docs/metrics.md").read_text(encoding="utf-8"))
        self.assertEqual(rule["seriesQuery"], "nmc_consumer_lag")
        for _, items in self.each():
            scaled = set()
            for scaler in select(items, "HorizontalPodAutoscaler"):
                scaled.add(scaler["spec"]["scaleTargetRef"]["name"])
                [metric] = scaler["spec"]["metrics"]
                self.assertEqual(metric["external"]["metric"]["name"], rule["name"]["as"])
            self.assertEqual(scaled, {"twilio-server-worker-blue", "twilio-server-worker-green"})

    def test_every_object_that_is_referred_to_exists_in_the_same_build(self):
        for _, items in self.each():
            for workload in select(items, "Deployment") + select(items, "Job"):
                select(items, "ServiceAccount", pods(workload)["serviceAccountName"])
                for container in pods(workload).get("initContainers", []) + pods(workload)["containers"]:
                    config, secret, own = container["envFrom"]
                    select(items, "ConfigMap", config["configMapRef"]["name"])
                    # Created by hand, from secret.env.example.
                    self.assertEqual(secret["secretRef"], {"name": "twilio-server"})
                    role = labels(workload).get("role", "migrate")
                    self.assertEqual(own["secretRef"], {"name": f"twilio-server-{role}", "optional": True})
                    self.assertEqual(container["volumeMounts"][0]["mountPath"], "/certificates")
            [ingress] = select(items, "Ingress")
            for rule in ingress["spec"]["rules"]:
                for path in rule["http"]["paths"]:
                    backend = path["backend"]["service"]
                    service = select(items, "Service", backend["name"])
                    self.assertIn(backend["port"]["name"], [port["name"] for port in service["spec"]["ports"]])

    def test_ports_have_the_names_by_which_services_probes_and_policies_know_them(self):
        for _, items in self.each():
            ports = {}
            for workload in select(items, "Deployment"):
                [container] = pods(workload)["containers"]
                ports[workload["metadata"]["name"]] = own = {port["name"]: port["containerPort"] for port in container["ports"]}
                for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
                    self.assertEqual(container[probe]["httpGet"]["port"], "ops")
                [ops] = [variable["value"] for variable in container["env"] if variable["name"] == "NMC_OPS_BIND"]
                self.assertEqual(int(ops.rsplit(":", 1)[1]), own["ops"])
                self.assertEqual(own.get("http"), 3701 if labels(workload)["role"] == "edge" else None)
            for service in select(items, "Service"):
                for name in selected(items, service["spec"]["selector"]):
                    self.assertTrue({port["targetPort"] for port in service["spec"]["ports"]} <= ports[name].keys())
            for policy in select(items, "NetworkPolicy"):
                for rule in policy["spec"].get("ingress", []):
                    for name in selected(items, policy["spec"]["podSelector"].get("matchLabels", {})):
                        self.assertTrue({port["port"] for port in rule["ports"]} <= ports[name].keys())

    def test_the_app_server_reaches_rest_from_a_namespace_with_the_label_of_the_docs(self):
        for _, items in self.each():
            [rule] = select(items, "NetworkPolicy", "webhooks-from-ingress")["spec"]["ingress"]
            allowed = [source["namespaceSelector"]["matchLabels"] for source in rule["from"]]
            self.assertIn({"nevermisscall/app-server": "true"}, allowed)
        documented = (ROOT / "docs/deployment.md").read_text(encoding="utf-8")
        self.assertIn('`nevermisscall/app-server: "true"`', documented)

    def test_prometheus_finds_every_pod_with_the_job_and_role_of_the_alerts(self):
        for _, items in self.each():
            monitor = select(items, "ServiceMonitor", "twilio-server")["spec"]
            [service] = [item for item in select(items, "Service")
                         if monitor["selector"]["matchLabels"].items() <= item["metadata"]["labels"].items()]
            self.assertEqual(len(selected(items, service["spec"]["selector"])), 4)
            job = service["metadata"]["labels"][monitor["jobLabel"]]
            rules = yaml.safe_dump(select(items, "PrometheusRule"), width=10_000)
            self.assertIn(f'up{{job="{job}"}}', rules)
            self.assertIn("role", monitor["podTargetLabels"])
            [endpoint] = monitor["endpoints"]
            self.assertIn(endpoint["port"], [port["name"] for port in service["spec"]["ports"]])

    def test_the_prometheus_rule_has_exactly_the_rules_of_prometheus(self):
        groups = []
        for file in sorted((ROOT / "deploy/prometheus/rules").glob("*.yml")):
            groups += yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]
        self.assertGreater(len(groups), 2)
        for _, items in self.each():
            self.assertEqual(select(items, "PrometheusRule", "twilio-server")["spec"]["groups"], groups)

    def test_no_container_has_a_privilege_or_writes_to_its_root(self):
        for _, items in self.each():
            for workload in select(items, "Deployment") + select(items, "Job"):
                pod = pods(workload)
                self.assertTrue(pod["securityContext"]["runAsNonRoot"])
                # The user of the image (deploy/Dockerfile).
                self.assertEqual(pod["securityContext"]["runAsUser"], 10001)
                self.assertEqual(pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
                self.assertIs(pod["automountServiceAccountToken"], False)
                for container in pod.get("initContainers", []) + pod["containers"]:
                    self.assertEqual(container["securityContext"], {
                        "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}})
                    self.assertIn("memory", container["resources"]["limits"])
            [namespace] = select(items, "Namespace")
            self.assertEqual(namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "restricted")

    def test_the_pods_of_the_backups_are_let_into_the_namespace(self):
        for job in select(manifests.of("production/backup"), "CronJob"):
            pod = pods(job["spec"]["jobTemplate"])
            self.assertTrue(pod["securityContext"]["runAsNonRoot"])
            self.assertEqual(pod["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
            for volume in pod["volumes"]:
                # Of what the level restricted allows.
                self.assertTrue(volume.keys() & {"configMap", "emptyDir", "persistentVolumeClaim", "secret"}, volume)
            for container in pod["containers"]:
                self.assertEqual(container["securityContext"], {
                    "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}})
                self.assertEqual({mount["name"] for mount in container["volumeMounts"]}, {volume["name"] for volume in pod["volumes"]})

    def test_the_settings_of_the_backups_are_those_that_the_programs_accept(self):
        [config] = [item["data"] for item in select(manifests.of("production/backup"), "ConfigMap")]
        secret = manifests.environment_file("deploy/kubernetes/overlays/production/backup/secret.env.example")
        self.assertFalse(config.keys() & secret.keys())
        header = (ROOT / "scripts/backup").read_text(encoding="utf-8").split("set -euo")[0]
        for name in config | secret:
            self.assertTrue(name in header or name == "NATS_CA_FILE", name)
        self.assertNotIn("password", secret["NMC_BACKUP_SOURCE"])
        # There is no such file here, and no such server: nobody is looked up.
        del secret["NATS_CA_FILE"]
        secret["NATS_URL"], hosts = re.subn(r"@.*", "@127.0.0.1:1", secret["NATS_URL"])
        self.assertEqual(hosts, 1)

        def save(variables):
            return subprocess.run([PROGRAM, "streams", "save", "--dir", "/nowhere", "NMC_EVENTS"], env=variables,
                                  capture_output=True, text=True, check=False, timeout=60)

        # It has accepted the settings when it gets as far as the folder, which is not there.
        done = save(config | secret)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("No such file or directory", done.stderr)
        done = save(config | secret | {"NATS_URL": "https://nats.nevermisscall.com"})
        self.assertEqual(done.returncode, 2, done.stderr)
        self.assertIn("NATS_URL", done.stderr)

    def test_a_backup_is_not_repeated_for_the_streams_alone(self):
        job = select(manifests.of("production/backup"), "CronJob", "nevermisscall-backup")["spec"]["jobTemplate"]
        [rule] = job["spec"]["podFailurePolicy"]["rules"]
        [container] = pods(job)["containers"]
        self.assertEqual(rule, {"action": "FailJob", "onExitCodes": {
            "containerName": container["name"], "operator": "In", "values": [3]}})
        self.assertEqual(pods(job)["restartPolicy"], "Never")
        self.assertIn("ends 3 \"the streams were not saved\"", (ROOT / "tests/scripts/backup").read_text(encoding="utf-8"))

    def test_postgresql_lets_the_user_of_the_backups_in(self):
        secret = manifests.environment_file("deploy/kubernetes/overlays/production/backup/secret.env.example")
        user = dict(word.split("=") for word in secret["NMC_BACKUP_SOURCE"].split())["user"]
        lines = (ROOT / "deploy/postgres/pg_hba.conf").read_text(encoding="utf-8").splitlines()
        self.assertIn(f"CREATE ROLE {user} LOGIN REPLICATION ", "\n".join(lines))
        admitted = [line.split() for line in lines if not line.startswith("#")]
        self.assertIn(["hostssl", "replication", user, "10.0.0.0/24", "scram-sha-256"], admitted)
        # deploy/systemd/backup.env
        self.assertIn(["local", "replication", "postgres", "peer"], admitted)

    def test_a_pod_has_the_time_to_finish(self):
        for _, items in self.each():
            for workload in select(items, "Deployment"):
                pod = pods(workload)
                waits = pod["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
                # docs/operations.md#stopping
                self.assertGreater(pod["terminationGracePeriodSeconds"], waits + 23)

    def test_all_objects_are_in_the_namespace_of_their_environment(self):
        for _, items in self.each():
            [namespace] = select(items, "Namespace")
            found = {item["metadata"].get("namespace") for item in items if item["kind"] != "Namespace"}
            self.assertEqual(found, {namespace["metadata"]["name"]})

    def test_the_settings_and_the_secret_of_the_example_are_a_whole_valid_configuration(self):
        self.assertTrue(PROGRAM.exists(), f"{PROGRAM} is not built")
        for environment, items in self.each():
            config = select(manifests.of(environment), "ConfigMap")[0]["data"]
            secret = manifests.environment_file(f"deploy/kubernetes/overlays/{environment}/secret.env.example")
            self.assertFalse(config.keys() & secret.keys())
            variables = {**config, **secret, "NMC_OPS_BIND": "0.0.0.0:9464"}
            # The service names all that is missing or invalid before it connects to anything: here only this one.
            done = subprocess.run([PROGRAM, "edge"], env={**variables, "NMC_BIND": "nowhere"}, capture_output=True,
                                  text=True, check=False, timeout=30)
            self.assertEqual(done.returncode, 2, done.stderr)
            problems = [line for line in done.stderr.splitlines() if any(word.isupper() and "_" in word for word in line.replace(":", " ").split())]
            self.assertEqual([line for line in problems if "NMC_BIND" not in line], [], done.stderr)
            self.assertEqual(len(problems), 1, done.stderr)
            host = select(items, "Ingress", "twilio-server")["spec"]["rules"][0]["host"]
            self.assertEqual(config["NMC_PUBLIC_URL"], f"https://{host}/twilio")


if __name__ == "__main__":
    unittest.main()

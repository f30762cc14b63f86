"""The part of a cluster that scripts/rollback sees: objects, from the manifests, and the commands that it received."""
import json
import re


class Cluster:
    """The objects of manifests, by kind and name. Deployments have as many pods as they want, unless one is broken."""

    def __init__(self, manifests):
        self.objects = {(item["kind"].lower(), item["metadata"]["name"]): item for item in manifests}
        self.commands = []
        # Commands that fail, as a part of their text; deployments whose pods are never ready.
        self.failing = []
        self.broken = []
        # Another controller sets the service's selector to this.
        self.stubborn_selector = None

    def get(self, kind, name):
        return self.objects[kind, name]

    def ready(self, name):
        """How many pods of a deployment are ready."""
        return 0 if name in self.broken else self.get("deployment", name)["spec"].get("replicas", 1)

    def receivers(self, service):
        """The deployments whose ready pods receive the traffic of a service."""
        selector = self.get("service", service)["spec"]["selector"]
        return {
            name for (kind, name), item in self.objects.items()
            if kind == "deployment" and self.ready(name) > 0
            and selector.items() <= item["spec"]["template"]["metadata"]["labels"].items()
        }

    def run(self, arguments):
        """Carries out a command of kubectl, and returns its exit status and output."""
        self.commands.append(" ".join(arguments))
        if any(text in self.commands[-1] for text in self.failing):
            return 1, "Unable to connect to the server\n"
        arguments = [argument for argument in arguments if argument != "--namespace=nevermisscall"]
        match arguments:
            case ["get", "pods", "-l", label]:
                return 0, f"pods with {label}\n"
            case ["get", kind, name, "--output", path]:
                return 0, self.field(kind, name, path)
            case ["patch", "service", name, "-p", patch]:
                merge(self.get("service", name), json.loads(patch))
                if self.stubborn_selector:
                    self.get("service", name)["spec"]["selector"]["version"] = self.stubborn_selector
                return 0, ""
            case ["scale", "deployment", name, replicas]:
                self.get("deployment", name)["spec"]["replicas"] = int(replicas.removeprefix("--replicas="))
                return 0, ""
            case ["rollout", "status", "deployment", name, _timeout]:
                wanted = self.get("deployment", name)["spec"].get("replicas", 1)
                return (0, "") if self.ready(name) == wanted else (1, "error: timed out waiting for the condition\n")
        raise ValueError(f"not a command of the rollback: {arguments}")

    def field(self, kind, name, path):
        keys = re.fullmatch(r"jsonpath=\{\.([\w.]+)\}", path).group(1).split(".")
        if keys == ["status", "availableReplicas"]:
            return str(self.ready(name) or "")
        value = self.get(kind, name)
        for key in keys:
            value = value.get(key, {})
        return "" if value == {} else str(value)


def merge(target, patch):
    """A merge patch (RFC 7386), which for maps is what kubectl's strategic patch is."""
    for key, value in patch.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            merge(target.setdefault(key, {}), value)
        else:
            target[key] = value

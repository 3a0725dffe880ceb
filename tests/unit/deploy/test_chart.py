"""The Helm chart: what it shares with the programs is the same, and what it renders to is what Kubernetes takes.

`deploy/chart/rendered/` is what Helm made of the examples; `make chart` writes it anew when these tests say it is old.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

import jsonschema_rs
import msgspec
import pytest
import yaml

from control.settings import ControlSettings
from deploy import chart
from deploy.chart import __main__ as making
from deploy.local.programs import MODULES
from producers.gateway.settings import GatewaySettings
from tests.harness import kubernetes
from tocsin import settings
from tocsin.access import variable
from tocsin.destinations import address
from tocsin.kafka import permissions, strimzi
from tocsin.kafka.topics import Topics
from tocsin.settings import Settings
from tocsin.telemetry.metrics import METRICS
from tocsin.wire.systems import load_systems

Resource = Mapping[str, Any]

HERE: Final = Path(chart.__file__).parent
DEFAULTS: Final = yaml.load((HERE / "tocsin" / "values.yaml").read_text(), yaml.CSafeLoader)
SCHEMA: Final = json.loads((HERE / "tocsin" / "values.schema.json").read_text())
OPERATORS: Final = {
    ("kafka.strimzi.io/v1", "KafkaTopic"),
    ("kafka.strimzi.io/v1", "KafkaUser"),
    ("keda.sh/v1alpha1", "ScaledObject"),
    ("monitoring.coreos.com/v1", "PodMonitor"),
    ("monitoring.coreos.com/v1", "PrometheusRule"),
}
EXAMPLES: Final = [path.stem for path in making.examples()]
TOPICS: Final = Topics("tocsin")
SYSTEMS: Final = load_systems()


@cache
def rendered(example: str) -> list[Resource]:
    """Return the resources that an example becomes."""
    text = (making.RENDERED / f"{example}.yaml").read_text()
    return [each for each in yaml.load_all(text, yaml.CSafeLoader) if each is not None]


def of_kind(example: str, kind: str) -> dict[str, Resource]:
    """Return an example's resources of a kind, by name."""
    return {each["metadata"]["name"]: each for each in rendered(example) if each["kind"] == kind}


def pods() -> Iterator[tuple[str, str, Resource]]:
    """Yield example, name and specification of every pod."""
    for example in EXAMPLES:
        for kind in ("Deployment", "Job"):
            for name, each in of_kind(example, kind).items():
                yield example, name, each["spec"]["template"]["spec"]


def merged(changes: Mapping[str, Any], into: Mapping[str, Any] = DEFAULTS) -> dict[str, Any]:
    """Return values with changes, as Helm merges them."""
    whole = dict(into)
    for key, value in changes.items():
        known = whole.get(key)
        whole[key] = merged(value, known) if isinstance(value, dict) and isinstance(known, dict) else value
    return whole


@pytest.mark.parametrize("name", sorted(making.data()))
def test_chart_has_the_programs_own_tables(name: str) -> None:
    assert (making.CHART / "files" / name).read_text() == making.data()[name], "run `make chart`"


@pytest.mark.parametrize("example", EXAMPLES)
def test_rendering_is_of_this_chart(example: str) -> None:
    first = (making.RENDERED / f"{example}.yaml").read_text().partition("\n")[0]
    assert first == f"# {making.fingerprint(making.EXAMPLES / f'{example}.yaml')}", "run `make chart`"


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_resource_is_what_kubernetes_knows(example: str) -> None:
    for each in rendered(example):
        if not kubernetes.check(each):
            assert (each["apiVersion"], each["kind"]) in OPERATORS


@pytest.mark.parametrize(
    "spec",
    [{"selectors": {"a": "b"}}, {"ports": [{"port": "http"}]}, {"ports": [{"name": "http"}]}, {"ports": {}}],
)
def test_resource_that_kubernetes_would_refuse_is_found(spec: Resource) -> None:
    """The check above rests on it: a misspelt field, a wrong type, a missing field."""
    with pytest.raises(msgspec.ValidationError):
        kubernetes.check({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a"}, "spec": spec})


def test_topics_and_users_are_those_that_the_command_shows() -> None:
    sizes = {"partitions": DEFAULTS["topics"]["partitions"], "replication": DEFAULTS["topics"]["replication"]}
    topics = of_kind("strimzi", "KafkaTopic")
    for spec in TOPICS.specs(SYSTEMS):
        wanted = strimzi.topic(spec, cluster="kafka", **sizes)
        assert topics.pop(spec.name)["spec"] == wanted["spec"]
    assert topics == {}
    users = of_kind("strimzi", "KafkaUser")
    for grant in permissions.grants(TOPICS, SYSTEMS):
        name = f"tocsin-{grant.program}"
        wanted = strimzi.user(grant, cluster="kafka", name=name, authentication="scram-sha-512")
        assert users.pop(name) == wanted
    assert users == {}


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_program_is_deployed_with_its_module(example: str) -> None:
    found = {
        name.removeprefix("tocsin-"): each["spec"]["template"]["spec"]["containers"][0]["command"]
        for name, each in of_kind(example, "Deployment").items()
    }
    assert found.pop("operator") == ["sleep", "infinity"]
    assert found == {name: ["python", "-m", module] for name, module in MODULES.items()}


def test_every_pod_is_confined() -> None:
    for _, name, pod in pods():
        assert pod["automountServiceAccountToken"] is False, name
        assert pod["enableServiceLinks"] is False, name
        assert pod["securityContext"] == {
            "runAsNonRoot": True,
            "runAsUser": 10001,
            "runAsGroup": 10001,
            "fsGroup": 10001,
            "seccompProfile": {"type": "RuntimeDefault"},
        }
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
            assert "memory" in container["resources"]["limits"]


def test_every_variable_is_a_setting_and_no_secret_has_a_value() -> None:
    secret = re.compile(r"PASSWORD|KEYRING|LEDGER|TOKEN|API_KEY")
    names = {variable(name) for name in Settings.model_fields}
    names |= {f"{name}_FILE" for name in names}
    names |= {f"TOCSIN_CONTROL_{name.upper()}" for name in ControlSettings.model_fields}
    names |= {f"TOCSIN_GATEWAY_{name.upper()}" for name in GatewaySettings.model_fields}
    for _, _, pod in pods():
        for entry in (entry for container in pod["containers"] for entry in container["env"]):
            assert entry["name"] in names or entry["name"].startswith("OTEL_"), entry["name"]
            is_reference = "valueFrom" in entry or entry["name"].endswith("_FILE")
            assert is_reference or not secret.search(entry["name"]), entry["name"]


@pytest.mark.parametrize(
    ("example", "name", "pod"), [each for each in pods() if each[1] != "tocsin-operator"]
)
def test_programs_read_their_settings_and_find_their_secrets(
    example: str, name: str, pod: Resource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With their environment as it is rendered, but for the folder that secrets are mounted in."""
    (container,) = pod["containers"]
    mounted = {each["name"]: each["mountPath"] for each in container["volumeMounts"]}
    assert mounted.keys() == {each["name"] for each in pod["volumes"]}
    for entry in container["env"]:
        text = entry.get("value", "x")
        if entry["name"].endswith("_FILE"):
            assert Path(text).parent.as_posix() in mounted.values(), entry["name"]
            (tmp_path / Path(text).name).write_text("secret")
            text = str(tmp_path / Path(text).name)
        monkeypatch.setenv(entry["name"], text)
    read = settings.load()
    assert read.create_topics is False
    assert read.partitions == DEFAULTS["topics"]["partitions"]


@pytest.mark.parametrize("example", EXAMPLES)
def test_pod_outlives_the_deadline_of_its_open_work(example: str) -> None:
    for name, each in of_kind(example, "Deployment").items():
        pod = each["spec"]["template"]["spec"]
        (container,) = pod["containers"]
        sleep_s = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        if name != "tocsin-operator":
            deadline_s = DEFAULTS["stopDeadlineSeconds"]
            assert pod["terminationGracePeriodSeconds"] >= deadline_s + sleep_s + 10
            assert each["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
            probed = {
                container[f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "liveness", "readiness")
            }
            assert probed == {"/livez", "/readyz"}


@pytest.mark.parametrize("example", EXAMPLES)
def test_delivery_alone_reaches_addresses_and_only_public_ones(example: str) -> None:
    """What the programs refuse and what the network refuses is one table."""
    own = yaml.load((making.EXAMPLES / f"{example}.yaml").read_text(), yaml.CSafeLoader)
    denied = own.get("destinations", {}).get("denied", [])
    policies = of_kind(example, "NetworkPolicy")
    assert policies.keys() == of_kind(example, "Deployment").keys()
    for name, policy in policies.items():
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
        rules = policy["spec"]["egress"]
        assert all(rule["to"] and rule["ports"] for rule in rules), "empty means anybody"
        public = [rule for rule in rules if any("except" in to.get("ipBlock", {}) for to in rule["to"])]
        assert len(public) == (name == "tocsin-delivery")
    (rule,) = (rule for rule in policies["tocsin-delivery"]["spec"]["egress"] if "except" in str(rule))
    blocks = [to["ipBlock"] for to in rule["to"]]
    assert [block["cidr"] for block in blocks] == ["0.0.0.0/0", str(address.IPV6_ACCEPTED)]
    refused = {str(network) for network, _ in (*address.IPV4_REFUSED, *address.IPV6_REFUSED)}
    assert {each for block in blocks for each in block["except"]} == refused | set(denied)
    for block in blocks:
        outer = ipaddress.ip_network(block["cidr"])
        assert all(ipaddress.ip_network(each).subnet_of(outer) for each in block["except"])  # type: ignore[arg-type]
    assert {port["port"] for port in rule["ports"]} == set(Settings.model_fields["ports"].default)


def test_scaling_asks_for_metrics_that_there_are() -> None:
    (scaled,) = of_kind("strimzi", "ScaledObject").values()
    assert scaled["spec"]["scaleTargetRef"]["name"] in of_kind("strimzi", "Deployment")
    assert "replicas" not in of_kind("strimzi", "Deployment")["tocsin-delivery"]["spec"]
    series = {name: metric for metric in METRICS for name in metric.series}
    for trigger in scaled["spec"]["triggers"]:
        query = trigger["metadata"]["query"]
        (name,) = re.findall(r"tocsin_\w+", query)
        labels = set(re.findall(r"(\w+)=", query)) | set(re.findall(r"by \((\w+)\)", query))
        assert labels <= set(series[name].exposed_labels)


def test_defaults_and_examples_fit_the_schema() -> None:
    assert list(jsonschema_rs.validator_for(SCHEMA).iter_errors(DEFAULTS)) == []
    for file in making.examples():
        whole = merged(yaml.load(file.read_text(), yaml.CSafeLoader))
        assert list(jsonschema_rs.validator_for(SCHEMA).iter_errors(whole)) == []


@pytest.mark.parametrize(
    "changes",
    [
        {"kafka": {"mechanism": ""}},
        {"kafka": {"mechanism": "OAUTHBEARER"}},
        {"kafka": {"mechanism": "PLAIN", "security": "sasl_plaintext"}},
        {"kafka": {"security": "ssl"}},
        {"kafka": {"options": {"sasl.password": "x"}}},
        {"registry": {"url": "https://user:password@registry"}},
        {"topics": {"partitions": 0}},
        {"env": {"TOCSIN_KAFKA_PASSWORD": "x"}},
        {"programs": {"mailer": {"replicas": 1, "resources": {}}}},
        {"programs": {"router": {"replicas": -1}}},
        {"networkPolicy": {"kafka": {"to": []}}},
        {"keyringSecret": {"name": ""}},
        {"stopDeadlineSeconds": 1},
        {"logLevl": "debug"},
    ],
)
def test_values_that_cannot_be_meant_are_refused(changes: Mapping[str, Any]) -> None:
    assert list(jsonschema_rs.validator_for(SCHEMA).iter_errors(merged(changes)))


def test_alerts_and_dashboards_arrive_as_they_are() -> None:
    """Neither templating nor quoting changes a rule's or a panel's braces."""
    rules = yaml.load((making.DEPLOY / "alerts" / "tocsin.yml").read_text(), yaml.CSafeLoader)
    assert of_kind("strimzi", "PrometheusRule")["tocsin"]["spec"]["groups"] == rules["groups"]
    arrived = {
        name: json.loads(text)
        for each in of_kind("strimzi", "ConfigMap").values()
        if "grafana_dashboard" in each["metadata"]["labels"]
        for name, text in each["data"].items()
    }
    files = (making.DEPLOY / "dashboards").glob("*.json")
    assert arrived == {file.name: json.loads(file.read_text()) for file in files}
    assert not of_kind("certificates", "PrometheusRule")

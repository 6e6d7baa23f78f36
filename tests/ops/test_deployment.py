"""What deploys Vane is read by the tools that will read it: compose, Dockerfile, Kubernetes."""

import json
import logging
import os
import re
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import kubernetes_validate
import pytest
import yaml

from vane.cli import build_app
from vane.errors import OperatorNeeded, UsageError
from vane.logs import JsonLines
from vane.metrics import PROCESSES

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = "1.34"
SECRETS = dict.fromkeys(["POSTGRES_PASSWORD", "VANE_ADMIN_KEY", "GRAFANA_PASSWORD"], "secret")
OTHERS_KINDS = {"ServiceMonitor", "ScaledObject"}
"""Of the Prometheus operator and of KEDA: no schema comes with Kubernetes."""
OVERLAYS = ["base", "overlays/small", "overlays/large"]

ROOT_READS_LOGS = "alloy"
"""Docker's log files belong to root, so their reader is root with that one capability."""
ASKED_BY_PROMETHEUS = {"loki", "tempo", "alloy"}
"""Their images may hold no program that could ask them."""

pytestmark = pytest.mark.ops


def compose(**environ: str) -> "subprocess.CompletedProcess[str]":
    command = [shutil.which("docker-compose") or "docker-compose", "config"]
    return subprocess.run(
        command, cwd=ROOT, env=os.environ | environ, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    found = compose(**SECRETS)
    assert found.returncode == 0, found.stderr
    services: dict[str, Any] = yaml.safe_load(found.stdout)["services"]
    return services


def test_no_password_has_a_default() -> None:
    for name in SECRETS:
        missing = {key: value for key, value in SECRETS.items() if key != name}
        found = compose(**missing, **{name: ""})
        assert found.returncode != 0
        assert name in found.stderr


def test_every_service_is_bounded_and_without_rights(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["mem_limit"], name
        assert service["cpus"], name
        assert service["pids_limit"], name
        assert service["read_only"] is True, name
        assert service["stop_signal"] in {"SIGTERM", "SIGINT"}, name
        assert service["logging"]["options"]["max-size"], name
        assert name == ROOT_READS_LOGS or not service["user"].startswith("0"), name
        assert name == ROOT_READS_LOGS or "cap_add" not in service, name
        if service["image"].startswith("vane"):
            assert service["user"] == "10001:10001"


def test_every_image_has_a_tag_of_its_own_version(services: dict[str, Any]) -> None:
    for name, service in services.items():
        assert re.fullmatch(r"[a-z/-]+:v?[0-9]+\.[0-9]+\.[0-9]+(-[a-z0-9]+)?", service["image"]), (
            name
        )


def test_what_runs_on_is_looked_after(services: dict[str, Any]) -> None:
    unasked = {
        name
        for name, service in services.items()
        if service["restart"] != "no" and "healthcheck" not in service
    }
    assert unasked == ASKED_BY_PROMETHEUS
    scraped = (ROOT / "deploy" / "prometheus" / "prometheus.yml").read_text(encoding="utf-8")
    for name in unasked:
        assert f'"{name}:' in scraped


def test_what_must_last_lies_on_volumes(services: dict[str, Any]) -> None:
    for name in ("kafka", "postgres", "prometheus", "grafana", "loki", "tempo", "alloy"):
        assert any(volume.startswith(f"{name}:") for volume in services[name]["volumes"]), name


def test_every_process_of_vane_is_there(services: dict[str, Any]) -> None:
    assert {"migrate", "topics", "grpc", *PROCESSES} <= services.keys()
    for name in PROCESSES:
        assert services[name]["depends_on"]["migrate"] == {
            "condition": "service_completed_successfully"
        }


def test_logs_and_traces_have_a_way_to_grafana(services: dict[str, Any]) -> None:
    alloy = (ROOT / "deploy" / "alloy" / "config.alloy").read_text(encoding="utf-8")
    for process in PROCESSES:
        environ = services[process]["environment"]
        assert environ["VANE_LOG_FORMAT"] == "json"
        assert environ["VANE_OTLP_ENDPOINT"] == "http://alloy:4318"
    assert 'endpoint = "0.0.0.0:4318"' in alloy
    assert 'url = "http://loki:3100/loki/api/v1/push"' in alloy
    record = logging.LogRecord("flows.kafka", logging.INFO, "", 0, "", (), None)
    line = json.loads(JsonLines("api").format(record)) | {"trace_id": "0" * 32}
    read = re.search(r"expressions\s*= \{(.*)\}", alloy)
    assert read is not None
    assert {name for _, name in re.findall(r'(\w+) = "(\w+)"', read[1])} <= line.keys()
    sources = {each["uid"]: each for each in provisioned()}
    assert sources["tempo"]["jsonData"]["tracesToLogsV2"]["datasourceUid"] == "loki"
    assert [each["datasourceUid"] for each in sources["loki"]["jsonData"]["derivedFields"]] == [
        "tempo"
    ]
    for name in ("loki", "tempo", "prometheus"):
        assert f"//{name}:" in sources[name]["url"]
        assert name in services


def provisioned() -> list[dict[str, Any]]:
    """Grafana's data sources."""
    path = ROOT / "deploy" / "grafana" / "provisioning" / "datasources" / "vane.yml"
    found: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))["datasources"]
    return found


def test_the_dockerfile_has_no_findings() -> None:
    hadolint = ROOT / ".venv" / "bin" / "hadolint"
    found = subprocess.run(
        [hadolint, "deploy/Dockerfile"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stdout


def build(folder: str) -> list[dict[str, Any]]:
    """The objects of a folder with a kustomization."""
    kustomize = shutil.which("kustomize", path=f"{ROOT / 'build' / 'bin'}:{os.environ['PATH']}")
    assert kustomize, "make test-ops installs it"
    found = subprocess.run(
        [kustomize, "build", folder], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr
    return list(yaml.safe_load_all(found.stdout))


@pytest.fixture(scope="module", params=OVERLAYS)
def rendered(request: pytest.FixtureRequest) -> list[dict[str, Any]]:
    return build(f"deploy/kubernetes/{request.param}")


def test_every_object_has_the_form_that_kubernetes_wants(rendered: list[dict[str, Any]]) -> None:
    for thing in rendered:
        if thing["kind"] not in OTHERS_KINDS:
            kubernetes_validate.validate(thing, KUBERNETES, strict=True)


def of_kind(rendered: list[dict[str, Any]], *kinds: str) -> dict[str, dict[str, Any]]:
    """Name → object, of some kinds."""
    return {thing["metadata"]["name"]: thing for thing in rendered if thing["kind"] in kinds}


def pods(rendered: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Name → pod, of all that goes on."""
    found = of_kind(rendered, "Deployment", "StatefulSet")
    return {name: thing["spec"]["template"] for name, thing in found.items()}


def test_a_pod_knows_how_many_share_the_partitions(rendered: list[dict[str, Any]]) -> None:
    sets = of_kind(rendered, "StatefulSet")
    assert sets.keys() == {"vane-interactions", "vane-trends"}
    for name, each in sets.items():
        container = each["spec"]["template"]["spec"]["containers"][0]
        if name in of_kind(rendered, "ScaledObject"):
            assert container["args"][-2:] == ["--share", f"$(INDEX)/{name}"]
            assert "replicas" not in each["spec"]
            service = of_kind(rendered, "Service")[each["spec"]["serviceName"]]["spec"]
            assert service["clusterIP"] == "None"
            assert service["publishNotReadyAddresses"] is True
        else:
            assert container["args"][-2:] == ["--share", "$(INDEX)/$(COUNT)"]
            assert {"name": "COUNT", "value": str(each["spec"]["replicas"])} in container["env"]


def test_what_is_scaled_is_there_and_asks_for_a_metric_that_is(
    rendered: list[dict[str, Any]],
) -> None:
    from vane.metrics import METRICS  # noqa: PLC0415

    for thing in of_kind(rendered, "ScaledObject", "HorizontalPodAutoscaler").values():
        target = thing["spec"]["scaleTargetRef"]
        assert target["name"] in of_kind(rendered, target["kind"])
        for trigger in thing["spec"].get("triggers", ()):
            names = set(re.findall(r"vane_\w+", trigger["metadata"]["query"]))
            assert names <= {metric.name for metric in METRICS}


def test_every_process_of_vane_is_probed_scraped_and_reached(
    rendered: list[dict[str, Any]],
) -> None:
    from vane.metrics import PROCESSES  # noqa: PLC0415

    found, services = pods(rendered), of_kind(rendered, "Service")
    assert found.keys() == services.keys() == {f"vane-{name}" for name in (*PROCESSES, "grpc")}
    for name, pod in found.items():
        container = pod["spec"]["containers"][0]
        assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys(), name
        labels, service = pod["metadata"]["labels"], services[name]["spec"]
        assert service["selector"].items() <= labels.items()
        (port,) = container["ports"]
        assert [each.get("targetPort", each["name"]) for each in service["ports"]] == [port["name"]]


def test_budgets_let_a_node_be_drained(rendered: list[dict[str, Any]]) -> None:
    sizes = of_kind(rendered, "Deployment", "StatefulSet")
    budgets = of_kind(rendered, "PodDisruptionBudget")
    assert budgets.keys() == {"vane-api", "vane-grpc", "vane-interactions", "vane-trends"}
    for name, budget in budgets.items():
        least = budget["spec"].get("minAvailable", 0)
        assert least < sizes[name]["spec"].get("replicas", 2), name


BEFORE, AFTER = "vane-migrate-before", "vane-migrate-after"


def migrating(job: dict[str, Any]) -> dict[str, Any]:
    """The container that migrates."""
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert isinstance(container, dict)
    return container


def test_each_step_of_a_release_is_a_job_that_vane_understands(
    rendered: list[dict[str, Any]],
) -> None:
    jobs = of_kind(rendered, "Job")
    assert {name: migrating(job)["args"] for name, job in jobs.items()} == {
        BEFORE: ["migrate", "--before-deploy"],
        AFTER: ["migrate", "--after-deploy"],
    }
    api = pods(rendered)["vane-api"]["spec"]["containers"][0]
    for job in jobs.values():
        container = migrating(job)
        (rule,) = job["spec"]["podFailurePolicy"]["rules"]
        assert rule["onExitCodes"]["containerName"] == container["name"]
        assert rule["onExitCodes"]["values"] == [UsageError.exit_code, OperatorNeeded.exit_code]
        assert container["image"] == api["image"]
        asked = build_app("migrate")([*container["args"], "--help"], standalone_mode=False)
        assert asked == 0


def test_the_last_step_is_begun_by_hand_and_waits_for_pods_that_still_end(
    rendered: list[dict[str, Any]],
) -> None:
    jobs = of_kind(rendered, "Job")
    assert [jobs[name]["spec"].get("suspend") for name in (BEFORE, AFTER)] == [None, True]
    (first,) = jobs[AFTER]["spec"]["template"]["spec"]["initContainers"]
    assert first["image"] == migrating(jobs[AFTER])["image"]
    program, waits_s = first["command"]
    assert program == "sleep"
    graces_s = [pod["spec"]["terminationGracePeriodSeconds"] for pod in pods(rendered).values()]
    assert int(waits_s) > max(graces_s)


def test_a_release_applies_what_its_first_step_reads_then_all_then_begins_the_last(
    rendered: list[dict[str, Any]],
) -> None:
    page = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
    commands = page.split("```bash\nset -e\n")[1].split("```")[0]
    selected = re.search(r"-l (vane/step)=([\w-]+)$", commands, re.MULTILINE)
    assert selected is not None
    key, value = selected.groups()
    first = [each for each in rendered if each["metadata"].get("labels", {}).get(key) == value]
    assert of_kind(first, "Job").keys() == {BEFORE}
    assert not pods(first)
    pod = of_kind(first, "Job")[BEFORE]["spec"]["template"]["spec"]
    assert pod["containers"][0]["envFrom"][0]["configMapRef"]["name"] in of_kind(first, "ConfigMap")
    assert pod["serviceAccountName"] in of_kind(first, "ServiceAccount")
    order = [
        "delete job -l app.kubernetes.io/name=vane\n",
        f"apply -k my-overlay -l {key}={value}\n",
        f"--for=condition=complete --timeout=1h job/{BEFORE}\n",
        "apply -k my-overlay\n",
        "rollout status",
        f"patch job {AFTER} --type=merge",
        f"--for=condition=complete --timeout=1h job/{AFTER}",
    ]
    places = [commands.find(each) for each in order]
    assert -1 not in places
    assert places == sorted(places)
    for each in of_kind(rendered, "Job", "Deployment", "StatefulSet").values():
        assert each["metadata"]["labels"]["app.kubernetes.io/name"] == "vane"


def test_argo_cd_runs_each_step_at_its_time() -> None:
    with TemporaryDirectory(dir=ROOT / "build") as folder:
        overlay = {
            "resources": ["../../deploy/kubernetes/overlays/large"],
            "components": ["../../deploy/kubernetes/components/argo-cd"],
        }
        (Path(folder) / "kustomization.yaml").write_text(json.dumps(overlay), encoding="utf-8")
        rendered = build(folder)
    phases = {"Sync": 0, "PostSync": 1}
    places: dict[str, tuple[int, int]] = {}
    for each in rendered:
        notes = each["metadata"].get("annotations", {})
        phase = phases[notes.get("argocd.argoproj.io/hook", "Sync")]
        wave = int(notes.get("argocd.argoproj.io/sync-wave", 0))
        places[f"{each['kind']}/{each['metadata']['name']}"] = (phase, wave)
        assert "suspend" not in each.get("spec", {})
    read = max(places["ConfigMap/vane"], places["ServiceAccount/vane"])
    others = {name: place for name, place in places.items() if not name.endswith("/vane")}
    before, after = (others.pop(f"Job/{name}") for name in (BEFORE, AFTER))
    assert read < before < min(others.values()) <= max(others.values()) < after


def test_pods_have_no_rights(rendered: list[dict[str, Any]]) -> None:
    for thing in rendered:
        pod = thing.get("spec", {}).get("template", {}).get("spec")
        if pod is None:
            continue
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in (*pod.get("initContainers", ()), *pod["containers"]):
            assert container["securityContext"]["readOnlyRootFilesystem"] is True
            assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]

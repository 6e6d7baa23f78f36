"""The modules made from `schemas/recommender.proto` are in step with it."""

from pathlib import Path

from grpc_tools import protoc

ROOT = Path(__file__).resolve().parents[2]


def test_the_modules_are_those_that_protoc_makes(tmp_path: Path) -> None:
    outputs = [f"--{kind}_out={tmp_path}" for kind in ("python", "pyi", "grpc_python")]
    assert protoc.main(["protoc", f"-I{ROOT}", *outputs, "schemas/recommender.proto"]) == 0
    made = {path.name: path.read_text() for path in (tmp_path / "schemas").iterdir()}
    assert made == {path.name: path.read_text() for path in ROOT.glob("schemas/recommender_pb2*")}

"""Whole simulations, and the formula."""

import json
import os

import fedfunnel
import numpy as np
import pytest
from interrupted import interrupted

SMALL = {
    "data": "mnist-sample",
    "images": 400,
    "test_images": 200,
    "model": "mnist-mlp",
    "collaborators": 2,
    "rounds": 2,
    "batch": 32,
    "codecs": ["raw", ["delta", "f16"]],
}


def test_a_spec_is_a_dict_a_name_or_a_file(tmp_path):
    of_dict = fedfunnel.simulate(SMALL)
    lines = [f"{key} = {json.dumps(value)}" for key, value in {"name": "small", **SMALL}.items()]
    (tmp_path / "small.toml").write_text("\n".join(lines))
    of_file = fedfunnel.simulate(tmp_path / "small.toml")
    assert list(of_dict["runs"]) == list(of_file["runs"]) == ["raw", "delta+f16"]
    for label in of_dict["runs"]:
        assert np.array_equal(of_dict.weights[label], of_file.weights[label])
        assert [line["round"] for line in of_dict.rounds[label]] == [1, 2]
    assert of_dict["runs"]["raw"]["message_bytes"] == 3 + 4 * 15_910
    assert of_dict["runs"]["delta+f16"]["message_bytes"] == 3 + 2 * 15_910


def test_settings_change_a_spec():
    one = fedfunnel.simulate(SMALL, settings={"rounds": 1, "codecs": ["raw"]})
    assert one["rounds"] == 1 and list(one["runs"]) == ["raw"]
    with pytest.raises(ValueError, match="rounds"):
        fedfunnel.simulate(SMALL, settings={"rounds": "many"})
    with pytest.raises(ValueError, match="did you mean"):
        fedfunnel.simulate({**SMALL, "colaborators": 3})
    with pytest.raises(ValueError, match="did you mean demo"):
        fedfunnel.simulate("demoo")
    with pytest.raises(TypeError, match=r"spec.rounds: a value of the type set"):
        fedfunnel.simulate({**SMALL, "rounds": {2}})


def test_results_are_frames_where_pandas_is_there():
    pytest.importorskip("pandas")
    result = fedfunnel.simulate(SMALL)
    frame = result.frame()
    assert list(frame["codec"]) == ["raw"] * 2 + ["delta+f16"] * 2
    assert frame["test_accuracy"].between(0, 1).all()
    assert list(result.runs_frame().index) == ["raw", "delta+f16"]


def test_a_folder_has_the_report_and_is_gone_on_with(tmp_path):
    out = tmp_path / "run"
    first = fedfunnel.simulate(SMALL, out)
    assert {"report.html", "summary.json", "ledger.csv"} <= set(os.listdir(out))
    with pytest.raises(ValueError, match="holds a finished run"):
        fedfunnel.simulate(SMALL, out)
    again = fedfunnel.simulate(SMALL, out, resume=True)
    assert again["runs"] == first["runs"]
    assert [line["round"] for line in again.rounds["raw"]] == [1, 2]
    assert list(fedfunnel.simulate(SMALL, out, overwrite=True)["runs"]) == list(first["runs"])


def test_progress_is_told_of_and_may_end_it():
    heard = []
    fedfunnel.simulate(SMALL, progress=lambda *said: heard.append(said))
    assert any(what == "raw rounds" for what, _, _, _ in heard)
    assert all(0 <= done <= total for _, done, total, _ in heard)
    assert any(note and "accuracy" in note for _, _, _, note in heard)

    def refuse(what, done, total, note):
        raise LookupError(what)

    with pytest.raises(LookupError):
        fedfunnel.simulate(SMALL, progress=refuse)


def test_ctrl_c_ends_it_and_it_is_gone_on_with(tmp_path):
    out = tmp_path / "run"
    # More than any machine is through with by then.
    spec = {**SMALL, "rounds": 100_000, "codecs": ["raw"], "test_every": 100_000}
    with interrupted(after=1.5):
        fedfunnel.simulate(spec, out)
    settled = fedfunnel.simulate({**spec, "rounds": 2}, tmp_path / "other")
    assert settled["runs"]["raw"]["rounds"] == 2


def test_the_formula_is_the_command_lines():
    found = fedfunnel.savings(15_910, 32, 10, 2)
    assert found["break_even_rounds"] == pytest.approx(34.07, abs=5e-3)
    paper = fedfunnel.savings(550_570, 320, 40, 2, paper=True)
    assert paper["uplink_ratio"] == pytest.approx(0.125, abs=5e-4)
    assert fedfunnel.savings(550_570, 320, 8, 1000, decoders="shared", target_ratio=120)["rounds_for_target"] > 0
    with pytest.raises(ValueError, match="rounds"):
        fedfunnel.savings(15_910, 32, 0, 2)
    with pytest.raises(TypeError, match="decoders"):
        fedfunnel.savings(15_910, 32, 1, 2, decoders="some")

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from study_runs import write_run

from deblur.reporting.results import Run
from studies.srcnn_2022.claims import CLAIMS
from studies.srcnn_2022.evidence import Evidence, evidence, evidence_table
from studies.srcnn_2022.published import read_published
from studies.srcnn_2022.verdicts import Verdict

Read = Callable[..., list[Run]]
LAST_LAYER, DEEPER, LARGER = CLAIMS
PLAIN = (1.0, 2.0, 3.0)


def shifted(by: float) -> list[float]:
    """Return the gains of a run that is better than the plain one, a little more so on each image."""
    return [gain + by + 0.01 * n for n, gain in enumerate(PLAIN, -1)]


def found_of(claim: object, runs: Sequence[Run]) -> Evidence:
    return evidence(claim, runs, read_published())  # type: ignore[arg-type] # one of CLAIMS


def test_a_pair_differs_in_the_rate_of_its_last_layer_alone(tmp_path: Path, runs_of: Read) -> None:
    for seed, by in ((0, 0.2), (1, 0.4)):
        write_run(tmp_path, PLAIN, seed=seed)
        write_run(tmp_path, shifted(by), scale=0.1, seed=seed)
    write_run(tmp_path, shifted(9), scale=0.1, lr=0.01)  # nothing to compare with
    write_run(tmp_path, shifted(9), scale=0.1, model="deeper_91115")
    write_run(tmp_path, shifted(9), scale=0.1, blur="motion")
    found = found_of(LAST_LAYER, runs_of(tmp_path))
    (one,) = found.comparisons
    assert (one.blur, one.setting) == ("box", "srcnn_915")
    assert one.seeds == {0: pytest.approx(0.2), 1: pytest.approx(0.4)}
    assert list(one.images) == pytest.approx([0.29, 0.30, 0.31])
    assert found.verdict is Verdict.SUPPORTED
    assert found.sentence == (
        'Claim 1, "a smaller learning rate in the last layer helps": supported. In 1 comparison: better in 1, with '
        "mean differences of +0.30 dB."
    )
    (row,) = evidence_table(found).rows
    assert row[:5] == ("box", "srcnn_915", "2", "+0.200, +0.400", "+0.300")
    assert row[6:] == ("100 %", "better")


@pytest.mark.parametrize(
    ("claim", "model", "by", "verdict"),
    [
        (DEEPER, "deeper_91115", -0.2, Verdict.SUPPORTED),
        (DEEPER, "deeper_91115", 0.02, Verdict.SUPPORTED),
        (DEEPER, "deeper_91115", 0.2, Verdict.REFUTED),
        (LARGER, "larger_935", 0.2, Verdict.SUPPORTED),
        (LARGER, "larger_935", 0.03, Verdict.NO_DIFFERENCE),
        (LARGER, "larger_935", -0.2, Verdict.REFUTED),
    ],
)
def test_networks_are_compared_under_equal_settings(
    tmp_path: Path, runs_of: Read, claim: object, model: str, by: float, verdict: Verdict
) -> None:
    for scale in (1, 0.1):
        for seed in (0, 1):
            write_run(tmp_path, PLAIN, scale=scale, seed=seed)
            write_run(tmp_path, shifted(by), scale=scale, seed=seed, model=model)
    found = found_of(claim, runs_of(tmp_path))
    settings = [(one.setting, sorted(one.seeds)) for one in found.comparisons]
    assert settings == [("last_layer_lr_scale 0.1", [0, 1]), ("last_layer_lr_scale 1", [0, 1])]
    assert all(one.mean == pytest.approx(by) for one in found.comparisons)
    assert found.verdict is verdict
    assert found.networks == (
        f"{model} has 8,129 parameters and a receptive field of 13 px; srcnn_915 has 8,129 parameters and a receptive "
        "field of 13 px."
    )


def test_other_test_images_are_not_compared(tmp_path: Path, runs_of: Read) -> None:
    write_run(tmp_path, PLAIN)
    write_run(tmp_path, PLAIN, model="larger_935", inputs=(20.0, 22.0, 25.0))
    write_run(tmp_path, PLAIN, model="larger_935", seed=1, fingerprint="0" * 64)
    write_run(tmp_path, PLAIN, seed=1)
    assert found_of(LARGER, runs_of(tmp_path)).comparisons == []


def test_a_seed_without_its_partner_is_left_out(tmp_path: Path, runs_of: Read) -> None:
    for seed in (0, 1, 2):
        write_run(tmp_path, PLAIN, seed=seed)
    for seed in (0, 1, 3):
        write_run(tmp_path, shifted(0.2), model="larger_935", seed=seed)
    (one,) = found_of(LARGER, runs_of(tmp_path)).comparisons
    assert list(one.seeds) == [0, 1]


def test_one_seed_is_shown_and_not_judged(tmp_path: Path, runs_of: Read) -> None:
    write_run(tmp_path, PLAIN)
    write_run(tmp_path, shifted(0.5), model="larger_935")
    found = found_of(LARGER, runs_of(tmp_path))
    (row,) = evidence_table(found).rows
    assert row[-1] == "not judged (fewer than 2 seeds)"
    assert found.verdict is Verdict.UNKNOWN
    assert found.sentence == 'Claim 3, "larger filters are better": not known yet.'


def test_runs_of_one_sweep_are_compared_where_there_is_a_choice(tmp_path: Path, runs_of: Read) -> None:
    write_run(tmp_path / "grid", shifted(5))
    write_run(tmp_path / "claims", PLAIN)
    write_run(tmp_path / "claims", shifted(0.2), model="larger_935")
    (one,) = found_of(LARGER, runs_of(tmp_path / "grid", tmp_path / "claims")).comparisons
    assert one.mean == pytest.approx(0.2)
    (one,) = found_of(LARGER, runs_of(tmp_path / "claims", tmp_path / "claims")).comparisons
    assert one.seeds == {0: pytest.approx(0.2)}


def test_a_partner_in_another_sweep_will_do(tmp_path: Path, runs_of: Read) -> None:
    write_run(tmp_path / "grid", PLAIN)
    write_run(tmp_path / "claims", shifted(0.2), model="larger_935")
    (one,) = found_of(LARGER, runs_of(tmp_path / "grid", tmp_path / "claims")).comparisons
    assert one.mean == pytest.approx(0.2)


def test_a_verdict_tells_what_it_rests_on(tmp_path: Path, runs_of: Read) -> None:
    for seed in (0, 1):
        for blur, by in (("box", 0.5), ("motion", -0.25)):
            write_run(tmp_path, PLAIN, seed=seed, blur=blur)
            write_run(tmp_path, shifted(by), seed=seed, blur=blur, model="larger_935")
    write_run(tmp_path, PLAIN, blur="gaussian")
    write_run(tmp_path, PLAIN, blur="gaussian", model="larger_935")
    assert found_of(LARGER, runs_of(tmp_path)).sentence == (
        'Claim 3, "larger filters are better": depends on the blur. In 2 comparisons: better in 1, worse in 1, with '
        "mean differences from -0.25 to +0.50 dB. 1 more cannot be judged yet."
    )


@pytest.mark.parametrize(
    ("claim", "stated"),
    [
        (
            LAST_LAYER,
            "Of 9 pairs of published losses, the smaller learning rate has the lower in 3 and the higher in 1; "
            "5 differ",
        ),
        (
            DEEPER,
            "Of 6 pairs of published losses, the deeper 9-1-1-1-5 has the lower in 0 and the higher in 5; 1 differ",
        ),
        (LARGER, "Of 6 pairs of published losses, 9-3-1-5 has the lower in 3 and the higher in 0; 3 differ"),
    ],
)
def test_the_published_losses_speak_as_far_as_they_can_be_read(claim: object, stated: str) -> None:
    found = found_of(claim, [])
    assert found.published == f"{stated} by less than can be read off the plot (0.0006)."
    assert (found.comparisons, found.networks) == ([], "")

"""A killed training finds where it was; anything else than its own whole file is a beginning."""

from __future__ import annotations

from pathlib import Path

import torch

from photostock.reranker.checkpoint import FILE, Checkpoint, Position


def learner(value: float) -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    network = torch.nn.Linear(2, 1)
    torch.nn.init.constant_(network.weight, value)
    return network, torch.optim.AdamW(network.parameters())


def test_what_was_saved_is_found_again(tmp_path: Path) -> None:
    Checkpoint(tmp_path / "new", "a").save(*learner(3.0), Position(7, 1.5, [0.5, 0.25], "float32"))
    network, optimizer = learner(0.0)
    assert Checkpoint(tmp_path / "new", "a").load(network, optimizer) == Position(7, 1.5, [0.5, 0.25], "float32")
    assert network.get_parameter("weight").tolist() == [[3.0, 3.0]]


def test_a_missing_another_and_a_damaged_file_mean_the_beginning(tmp_path: Path) -> None:
    checkpoint = Checkpoint(tmp_path, "a")
    assert checkpoint.load(*learner(0.0)) == Position()
    checkpoint.save(*learner(3.0), Position(7, 1.5, [0.5]))
    assert Checkpoint(tmp_path, "b").load(*learner(0.0)) == Position()
    whole = (tmp_path / FILE).read_bytes()
    for damaged in (b"", b"nonsense", whole[: len(whole) // 2]):
        (tmp_path / FILE).write_bytes(damaged)
        assert checkpoint.load(*learner(0.0)) == Position()
    checkpoint.remove()
    checkpoint.remove()
    assert not list(tmp_path.iterdir())

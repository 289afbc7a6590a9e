from __future__ import annotations

import pytest

from pack.multitalk.model.lora_report import fold_blocks


@pytest.mark.parametrize(
    ("numbers", "folded"),
    [
        ([0, 1, 2, 3, 7], "0-3,7"),
        ([5], "5"),
        ([11, 2, 10, 2], "2,10-11"),
        ([0, 2, 4], "0,2,4"),
    ],
)
def test_runs_and_gaps_of_block_numbers_are_folded(numbers, folded):
    assert fold_blocks(f"blocks.{n}.ffn.0" for n in numbers) == [f"blocks.{folded}.ffn.0"]


def test_names_that_differ_otherwise_stay_apart_in_order_of_appearance():
    names = ["head.head", "blocks.1.norm3", "blocks.0.ffn.0", "blocks.0.norm3", "head.head"]
    assert fold_blocks(names) == ["head.head", "blocks.0-1.norm3", "blocks.0.ffn.0"]


def test_names_with_underscores_or_nothing_behind_the_number_are_folded_too():
    names = [
        "lora_unet_blocks_0_ffn_2",
        "lora_unet_blocks_1_ffn_2",
        "vace_blocks.3",
        "vace_blocks.4",
    ]
    assert fold_blocks(names) == ["lora_unet_blocks_0-1_ffn_2", "vace_blocks.3-4"]


def test_numbers_behind_other_words_are_kept():
    names = ["text_embedding.0", "text_embedding.2", "blocks.0.ffn.0", "blocks.0.ffn.2"]
    assert fold_blocks(names) == names

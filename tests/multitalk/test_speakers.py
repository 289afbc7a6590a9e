from __future__ import annotations

import pytest
import torch

from pack.multitalk.speakers import (
    COLORS,
    Box,
    check_masks,
    check_token_masks,
    describe_masks,
    draw_speakers,
    half_masks,
    latent_masks,
    masks_from_boxes,
    parse_boxes,
    reference_box_masks,
    token_masks,
)

SIX = [Box(x=16 * i, y=16, width=16, height=32) for i in range(6)]


def box(x, y, width, height):
    return Box(x=x, y=y, width=width, height=height)


def area(rows, columns, shape=(10, 20)):
    """[*shape], ones in a rectangle."""
    mask = torch.zeros(shape)
    mask[slice(*rows), slice(*columns)] = 1
    return mask


def test_box_reads_like_a_sentence():
    assert str(box(1.0, 2.5, 30.0, 40.0)) == "x 1, y 2.5, width 30, height 40"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1, 2, 3, 4", [box(1, 2, 3, 4)]),
        ("1 2 3 4; 5,6,7,8.5", [box(1, 2, 3, 4), box(5, 6, 7, 8.5)]),
        ("\n -1,2,3,4 \n\n 5 6 7 8\n", [box(-1, 2, 3, 4), box(5, 6, 7, 8)]),
        ("", []),
        (" ; \n", []),
    ],
)
def test_boxes_are_read_in_order(text, expected):
    assert parse_boxes(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1, 2, 3", "Box 1 in boxes is '1, 2, 3'; a box is four numbers"),
        ("1,2,3,4; 1,2,3,4,5", "Box 2 in boxes is '1,2,3,4,5'"),
        (
            "1,2,3,4\n\n1,2,wide,4",
            "Box 2 in boxes is '1,2,wide,4'; .* Write for example: 120, 80, 300, 360",
        ),
        ("0, 0, 1e308, 1e308", "Box 1 in boxes is '0, 0, 1e308, 1e308'; a box is four numbers"),
        ("nan 0 9 9", "Box 1 in boxes is 'nan 0 9 9'; a box is four numbers"),
        ("9" * 5000, f"Box 1 in boxes is '{'9' * 40}'; a box is four numbers"),
    ],
)
def test_line_without_four_numbers_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_boxes(text)


def test_box_is_x_y_width_height():
    masks, notes = masks_from_boxes([box(2, 1, 5, 3), box(12.4, 0.6, 2.2, 2)], 10, 20)
    assert masks.shape == (2, 10, 20)
    assert masks.dtype == torch.float32
    assert torch.equal(masks[0], area((1, 4), (2, 7)))
    assert torch.equal(masks[1], area((1, 3), (12, 15)))
    assert notes == []


@pytest.mark.parametrize(
    ("given", "rows", "columns"),
    [
        (box(-3, 2, 5, 2), (2, 4), (0, 2)),
        (box(18, 2, 5, 2), (2, 4), (18, 20)),
        (box(2, -1, 2, 3), (0, 2), (2, 4)),
        (box(2, 8, 2, 3), (8, 10), (2, 4)),
        (box(-9, -9, 99, 99), (0, 10), (0, 20)),
    ],
)
def test_box_over_the_edge_is_clipped_and_said(given, rows, columns):
    masks, notes = masks_from_boxes([box(0, 0, 20, 10), given], 10, 20)
    assert torch.equal(masks[1], area(rows, columns))
    assert notes == [f"Speaker 2: the box ({given}) was clipped to the picture."]


@pytest.mark.parametrize(
    "given",
    [
        box(20, 0, 5, 5),
        box(-5, 0, 5, 5),
        box(0, 10, 5, 5),
        box(0, -5, 5, 5),
        box(5, 5, 0, 5),
        box(5, 5, 5, -1),
    ],
    ids=["right", "left", "below", "above", "no width", "negative height"],
)
def test_box_without_a_pixel_is_refused(given):
    with pytest.raises(
        ValueError, match=r"The box of speaker 2 \(x .*\) holds no pixel .* 20 pixels wide"
    ):
        masks_from_boxes([box(0, 0, 5, 5), given], 10, 20)


def test_reference_boxes_are_rows_and_columns_from_start_to_end():
    masks = reference_box_masks([(1.9, 2.9, 4.9, 7.9), (0, 0, 10, 20)], 10, 20)
    assert torch.equal(masks[0], area((1, 4), (2, 7)))
    assert masks[1].all()


def test_reference_box_with_a_negative_start_counts_from_the_far_edge():
    masks = reference_box_masks([(-4, -6, 10, 20), (-20, 0, 5, 5)], 10, 20)
    assert torch.equal(masks[0], area((6, 10), (14, 20)))
    assert torch.equal(masks[1], area((0, 5), (0, 5)))


def test_halves_leave_a_margin_on_each_side():
    masks = half_masks(100, 201)
    assert torch.equal(masks[0], area((5, 95), (5, 95), (100, 201)))
    assert torch.equal(masks[1], area((5, 95), (105, 195), (100, 201)))


def test_halves_without_margin_touch():
    masks = half_masks(10, 20, margin=0.0)
    assert torch.equal(masks.sum(0), torch.ones(10, 20))
    assert torch.equal(masks[0], area((0, 10), (0, 10)))


def test_six_speakers_are_possible_and_seven_are_not():
    masks, _ = masks_from_boxes(SIX, 64, 96)
    check_masks(masks)
    with pytest.raises(ValueError, match="7 masks are given; up to 6 are possible"):
        check_masks(torch.cat([masks, masks[:1]]))


def test_empty_mask_is_refused():
    with pytest.raises(ValueError, match="The mask of speaker 2 is empty"):
        check_masks(torch.stack([area((0, 5), (0, 5)), torch.zeros(10, 20)]))


def test_ninety_percent_may_lie_inside_another():
    large = area((0, 10), (0, 10))
    check_masks(torch.stack([large, area((0, 1), (1, 11))]))  # 9 of 10
    swallowed = area((0, 2), (1, 10)) + area((0, 1), (0, 1)) + area((0, 1), (10, 11))  # 19 of 20
    with pytest.raises(ValueError, match="95% of speaker 2 lies inside speaker 1; at most 90%"):
        check_masks(torch.stack([large, swallowed]))
    with pytest.raises(ValueError, match="95% of speaker 1 lies inside speaker 2"):
        check_masks(torch.stack([swallowed, large]))


def test_two_equal_masks_are_refused():
    with pytest.raises(ValueError, match="100% of speaker 1 lies inside speaker 2"):
        check_masks(area((0, 5), (0, 5)).expand(2, -1, -1))


def test_background_is_what_no_speaker_covers():
    masks = torch.stack([area((0, 32), (0, 16), (32, 48)), area((16, 32), (32, 48), (32, 48))])
    cells = latent_masks(masks, 32, 48)
    assert cells.shape == (3, 4, 6)
    assert torch.equal(cells[0], area((0, 4), (0, 2), (4, 6)))
    assert torch.equal(cells[1], area((2, 4), (4, 6), (4, 6)))
    assert torch.equal(cells[2], 1 - cells[0] - cells[1])


def test_overlapping_speakers_both_keep_their_cells():
    cells = latent_masks(torch.ones(2, 32, 32), 32, 32)
    assert torch.equal(cells, torch.tensor([1.0, 1.0, 0.0])[:, None, None].expand(3, 4, 4))


def test_soft_mask_belongs_to_the_speaker_above_zero():
    cells = latent_masks(torch.full((1, 32, 32), 0.01), 32, 32)
    assert cells[0].all()
    assert not cells[1].any()


def test_masks_follow_the_crop_of_the_picture():
    masks, _ = masks_from_boxes([box(0, 0, 64, 64), box(64, 0, 64, 64)], 64, 128)
    cells = latent_masks(masks, 64, 64)  # the middle 64 columns are left
    assert torch.equal(cells[0], area((0, 8), (0, 4), (8, 8)))
    assert torch.equal(cells[1], area((0, 8), (4, 8), (8, 8)))


def test_token_masks_take_every_second_cell_row_by_row():
    cells = torch.zeros(2, 4, 6)
    cells[0, 2, 2] = 1
    cells[1, 1, 1] = 1  # between two tokens
    tokens = token_masks(cells)
    assert tokens.shape == (2, 6)
    assert tokens.nonzero().tolist() == [[0, 4]]


def test_six_speakers_keep_their_tokens():
    masks, _ = masks_from_boxes(SIX, 64, 96)
    tokens = token_masks(latent_masks(masks, 64, 96))
    assert tokens.shape == (7, 24)
    owners = tokens.unflatten(1, (4, 6)).argmax(0)
    assert owners.tolist() == [[6] * 6, list(range(6)), list(range(6)), [6] * 6]
    check_token_masks(tokens, 64, 96)


def test_speaker_who_vanishes_is_refused():
    masks, _ = masks_from_boxes([box(0, 0, 8, 64), box(64, 0, 64, 64)], 64, 128)
    tokens = token_masks(latent_masks(masks, 64, 64))
    with pytest.raises(ValueError, match="mask of speaker 1 vanishes in a video of 64 x 48"):
        check_token_masks(tokens, 48, 64)


def test_empty_background_is_no_vanished_speaker():
    check_token_masks(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]]), 16, 32)


def test_preview_has_each_mask_in_its_colour_and_the_rest_as_it_was():
    masks, _ = masks_from_boxes(
        [Box(x=60 * i, y=0, width=60, height=60) for i in range(6)], 80, 360
    )
    picture = torch.full((80, 360, 3), 0.5)
    preview = draw_speakers(picture, masks)
    assert preview.shape == (1, 80, 360, 3)
    assert preview.dtype == torch.float32
    for index, color in enumerate(COLORS):
        corner = preview[0, 2, 60 * index + 2]
        expected = 0.6 * 0.5 + 0.4 * torch.tensor(color) / 255
        assert float((corner - expected).abs().max()) < 0.5 / 255 + 1e-6
    assert (preview[0, 60:] == 128 / 255).all()
    assert (picture == 0.5).all()


def test_preview_has_a_number_in_the_middle_of_each_mask():
    masks, _ = masks_from_boxes([box(0, 0, 200, 200), box(200, 0, 200, 200)], 200, 400)
    preview = draw_speakers(torch.zeros(200, 400, 3), masks)[0]
    white = (preview == 1).all(-1)
    rows, columns = white.nonzero(as_tuple=True)
    assert 80 < rows.min() < rows.max() < 120
    assert ((columns % 200 > 80) & (columns % 200 < 120)).all()
    digits = white[:, :200], white[:, 200:]
    assert digits[0].any()
    assert digits[1].any()
    assert not torch.equal(*digits)


def test_report_says_where_everyone_is():
    masks, notes = masks_from_boxes([box(0, 0, 200, 200), box(100, 0, 950, 200)], 400, 1000)
    assert describe_masks(masks, notes).splitlines() == [
        "Speaker 1: 10% of the picture, centre at 10% from the left, 25% from the top.",
        "Speaker 2: 45% of the picture, centre at 55% from the left, 25% from the top.",
        "Speakers 1 and 2 overlap in 50% of speaker 1.",
        "Speaker 2: the box (x 100, y 0, width 950, height 200) was clipped to the picture.",
    ]


def test_report_says_nothing_of_speakers_apart():
    report = describe_masks(half_masks(100, 200), [])
    assert len(report.splitlines()) == 2
    assert "overlap" not in report


@pytest.mark.parametrize("text", ["nan, 0, 10, 10", "0, 0, inf, 10", "0, 0, 1e400, 10"])
def test_box_that_is_no_finite_number_is_refused(text):
    with pytest.raises(ValueError, match="Box 1 in boxes is"):
        masks_from_boxes(parse_boxes(text), 10, 10)


def test_too_many_boxes_are_refused_before_any_mask_is_made():
    boxes = parse_boxes("0 0 9 9\n" * 28_000)
    with pytest.raises(ValueError, match="28000 boxes are given; up to 6 are possible"):
        masks_from_boxes(boxes, 1000, 1000)

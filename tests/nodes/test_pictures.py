"""What may stand on an IMAGE socket, and what is refused with a sentence."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pack.tools.host.prompts import talk

pytestmark = [pytest.mark.host, pytest.mark.usefixtures("host")]
IMAGE = torch.rand(2, 8, 6, 3, generator=torch.Generator().manual_seed(1))
BYTES = (IMAGE * 255).round().byte()


def read(value, name="image"):
    from pack.nodes.pictures import read_pictures

    return read_pictures(value, name)


def test_ordinary_pictures_keep_their_bits():
    assert read(IMAGE).data_ptr() == IMAGE.data_ptr()
    over = IMAGE * 1.3 - 0.1  # as some ways to resize leave it
    assert read(over) is not None
    assert torch.equal(read(over), over)


FORMS = {
    "opaque": (torch.cat([IMAGE, IMAGE[..., :1]], -1), IMAGE),
    "grey": (IMAGE[..., :1], IMAGE[..., :1].repeat(1, 1, 1, 3)),
    "one": (IMAGE[0], IMAGE[:1]),
    "bytes": (BYTES, BYTES.float() / 255),
    "array": (IMAGE.numpy(), IMAGE),
    "array of bytes": (BYTES.numpy(), BYTES.float() / 255),
    "16 bits": (BYTES.numpy().astype(np.uint16) * 257, BYTES.float() / 255),
    "double": (IMAGE.double(), IMAGE),
    "half": (IMAGE.half(), IMAGE.half().float()),
    "black and white": (IMAGE > 0.5, (IMAGE > 0.5).float()),
}


@pytest.mark.parametrize(("value", "expected"), FORMS.values(), ids=FORMS.keys())
def test_forms_whose_meaning_is_plain(value, expected):
    pictures = read(value)
    assert pictures.dtype == torch.float32
    torch.testing.assert_close(pictures, expected, rtol=0, atol=1e-7)


REFUSED = {
    "two channels": (IMAGE[..., :2], "image has 2 channels"),
    "five channels": (torch.zeros(1, 8, 6, 5), "image has 5 channels"),
    "channels first": (IMAGE.movedim(-1, 1), "image has 6 channels"),
    "bytes as floats": (
        BYTES.float(),
        "image holds numbers from .* to 25.* or divide by what is white",
    ),
    "from -1": (IMAGE * 2 - 1, r"image holds numbers from -.* or add 1 and divide"),
    "whole numbers": (BYTES.long(), "image holds numbers of the kind int64"),
    "complex": (IMAGE + 0j, "image holds numbers of the kind complex64"),
    "nan": (IMAGE.clone().fill_(torch.nan), "image holds numbers that are not finite"),
    "infinite": (IMAGE / 0, "image holds numbers that are not finite"),
    "list": ([IMAGE], "image is a list; it takes a picture"),
    "meta": (IMAGE.to("meta"), "image is a tensor of 2 x 8 x 6 x 3 numbers; it takes a picture"),
    "text": ("x.png", "image is 'x.png'; it takes a picture"),
    "mask": (IMAGE[..., 0], "image is a tensor of 2 x 8 x 6 numbers; it takes a picture"),
    "five dimensions": (IMAGE[None], "image is a tensor of 1 x 2 x 8 x 6 x 3 numbers; it takes"),
    "no rows": (IMAGE[:, :0], "image is a tensor of 2 x 0 x 6 x 3 numbers; it takes a picture"),
    "no pictures": (IMAGE[:0], "image is an empty batch; connect a picture."),
}


@pytest.mark.parametrize(("value", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_forms_that_have_no_plain_meaning(value, message):
    with pytest.raises(ValueError, match=message):
        read(value)


def test_the_sampler_refuses_a_picture_before_any_model_is_loaded(host):
    prompt = talk(seconds=0.2)
    prompt["sampler"]["inputs"]["image"] = {"__value__": torch.rand(1, 64, 64, 3) * 255}
    prompt["sampler"]["inputs"]["model"] = prompt["sampler"]["inputs"]["vae"] = None
    result = host.run(prompt)
    assert "or divide by what is white, often 255." in result.error["exception_message"]

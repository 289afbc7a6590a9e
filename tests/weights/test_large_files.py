from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from pack.weights.large_files import map_unreserved

KINDS = (torch.float32, torch.bfloat16, torch.float8_e4m3fn, torch.int8)


def test_a_file_mapped_without_a_reservation_has_the_numbers_of_the_library(tmp_path):
    path = tmp_path / "model.safetensors"
    written = {str(kind): (torch.arange(6.0) - 2).view(2, 3).to(kind) for kind in KINDS}
    save_file({**written, "none": torch.zeros(0, 3)}, path, {"format": "pt"})
    found = map_unreserved(path)
    assert found.keys() == {*written, "none"}
    assert found["none"].shape == (0, 3)
    for name, tensor in written.items():
        assert found[name].dtype == tensor.dtype
        assert torch.equal(found[name].float(), tensor.float())
    before = path.read_bytes()
    found[str(torch.float32)].zero_()
    assert path.read_bytes() == before


@pytest.mark.host
def test_a_loader_takes_it_where_the_system_refuses_the_librarys_way(host, tmp_path, monkeypatch):
    import comfy.utils

    from pack.nodes.loading.modules import map_safetensors

    path = tmp_path / "model.safetensors"
    save_file({"a": torch.ones(2)}, path)

    def refuse(*_args, **_kwargs):
        raise RuntimeError("unable to mmap 32789892720 bytes: Cannot allocate memory (12)")

    monkeypatch.setattr(comfy.utils, "load_torch_file", refuse)
    assert torch.equal(map_safetensors(path)["a"], torch.ones(2))

    def fail(*_args, **_kwargs):
        raise RuntimeError("another reason")

    monkeypatch.setattr(comfy.utils, "load_torch_file", fail)
    with pytest.raises(RuntimeError, match="another reason"):
        map_safetensors(path)

"""What tests of a run's identity share: ingredients that are changed one at a time."""

from __future__ import annotations

import copy
import importlib
import importlib.util
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

from pack.tests.nodes.stops import prompt_of
from pack.tools.host.prompts import node

NODES = '''
class FromText:
    """Reads the file "style.txt" that no input names, or that its input names."""
    RETURN_TYPES = ("CONDITIONING",)
    FUNCTION = "run"
    @classmethod
    def INPUT_TYPES(cls):
        return {"optional": {"file": ("STRING", {}), "image": ("IMAGE",)}}
    def run(self, file="", image=None):
        raise NotImplementedError

class Fingerprint(FromText):
    SAYS = "a"
    @classmethod
    def IS_CHANGED(cls, **_inputs):
        return cls.SAYS

class WithId(FromText):
    @classmethod
    def INPUT_TYPES(cls):
        return {"hidden": {"unique_id": "UNIQUE_ID"}}
'''


def module_of(path):
    spec = importlib.util.spec_from_file_location("nodes_of_somebody", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules["nodes_of_somebody"] = module
    spec.loader.exec_module(module)
    return module


def lazy(host, name):
    return importlib.import_module(f"{host.pack_name}.nodes.sampling.{name}")


class Desk:
    """A run's ingredients, to be changed one at a time."""

    def __init__(self, host, values, folder, monkeypatch):
        import folder_paths
        import nodes

        self.patch = monkeypatch
        self.values = dict(values)
        self.folder = folder
        self.input = Path(folder_paths.get_input_directory())
        self.prompt = json.loads(json.dumps(prompt_of(real_vae=True)))
        self.code = folder / "somebody.py"
        self.code.write_text(NODES)
        self.nodes = module_of(self.code)
        for name in ("FromText", "Fingerprint", "WithId"):
            monkeypatch.setitem(nodes.NODE_CLASS_MAPPINGS, name, getattr(self.nodes, name))
        self._host = host

    def link(self, socket, name, **inputs):
        self.prompt["added"] = node(name, **inputs)
        self.prompt["sampler"]["inputs"][socket] = ["added", 0]

    def file(self, key, name, data):
        """A file in a folder of models of this kind."""
        import folder_paths

        place = self.folder / key
        place.mkdir(exist_ok=True)
        paths = [*folder_paths.folder_names_and_paths[key][0], str(place)]
        suffixes = folder_paths.folder_names_and_paths[key][1]
        self.patch.setitem(folder_paths.folder_names_and_paths, key, (paths, suffixes))
        (place / name).write_bytes(data)
        return place / name

    def cast(self, **changes):
        cast = copy.copy(self.values["cast"])
        cast.speech = replace(cast.speech, **changes)
        self.values["cast"] = cast

    def identity(self):
        from comfy_execution.graph import DynamicPrompt

        run_identity = lazy(self._host, "identity").run_identity
        values = self.values
        hidden = SimpleNamespace(dynprompt=DynamicPrompt(self.prompt), unique_id="sampler")
        return run_identity(
            values["settings"], values["image"], values["cast"], values["inputs"], hidden
        )


def rewrite(path, place, *, anew=False):
    """Change one byte and give the file its old size and time, in place or as a new file."""
    before, data = path.stat(), bytearray(path.read_bytes())
    data[place] ^= 1
    if anew:
        other = path.with_name("other")
        other.write_bytes(data)
        os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
        other.replace(path)
    else:
        path.write_bytes(data)
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_mtime_ns == before.st_mtime_ns


def arrives(name, value):
    """A change: something else comes over a socket or from a widget."""

    def change(desk):
        yield
        desk.values["inputs"] = {**desk.values["inputs"], name: value}

    change.__name__ = name
    return change

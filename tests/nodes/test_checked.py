import gc
import importlib
import weakref


def checked(host):
    return importlib.import_module(f"{host.pack_name}.nodes.checked")


class Prompt:
    """Stands for a running prompt."""


def test_value_is_made_once_per_queue_and_key(host):
    once, calls = checked(host).once, []
    first, second = Prompt(), Prompt()

    def make():
        calls.append(1)
        return object()

    assert once(first, "a", make) is once(first, "a", make)
    assert once(second, "a", make) is not once(first, "b", make)
    assert len(calls) == 3
    assert once(None, "a", make) is not once(None, "a", make)


def test_values_go_with_the_queue(host):
    prompt = Prompt()
    made = weakref.ref(checked(host).once(prompt, "a", Prompt))
    gc.collect()
    assert made() is not None
    del prompt
    gc.collect()
    assert made() is None

import pytest, time
from pack.tests.nodes.stops import prompt_of, run, host_nodes, frames_of
from pack.tools.host.prompts import node
pytestmark = pytest.mark.host
def test_it(host, monkeypatch):
    from pathlib import Path
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[2]/"tools/host/stand_ins"))
    p = prompt_of(real_vae=True, seconds=0.3)
    a = frames_of(host, p)
    p["cards"] = node("MultiTalkParallel", model=["model",0], cards=2)
    p["trouble"]["inputs"]["model"]=["cards",0]
    t=time.time()
    r = run(host, p); print(r.error)
    assert r.ok
    b = host_nodes().SAVED_FRAMES.pop()
    print("took", time.time()-t, (a-b).abs().max())
    assert (a-b).abs().max()<1e-4

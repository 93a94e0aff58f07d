"""What setting up does once, so that the first picture need not wait for it."""

from maskrcnn_core.cli.preparing import prepare
from maskrcnn_core.synthetic.samples import SAMPLES, PackagedPhoto


def test_samples_are_drawn_and_one_goes_all_the_way_to_what_a_page_shows(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert prepare() > 0
    drawn = {file.name.rpartition("-")[0] for file in (tmp_path / "maskdesk" / "samples").iterdir()}
    assert drawn == {sample.key for sample in SAMPLES if not isinstance(sample.source, PackagedPhoto)}

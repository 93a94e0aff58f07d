import pytest
from typer.testing import CliRunner

from maskrcnn_core.cli import serving
from maskrcnn_core.cli.app import app
from maskrcnn_core.cli.serving import app_folder
from maskrcnn_core.common import extras
from maskrcnn_core.errors import InputError


def make_app(folder):
    (folder / "pages" / "shell").mkdir(parents=True)
    (folder / "app.py").touch()
    return folder


def test_the_app_is_found_beside_the_core_of_a_checkout():
    assert (app_folder() / "pages" / "shell" / "serve.py").is_file()


def test_an_installed_app_is_found_whatever_else_lies_beside_the_core(tmp_path):
    make_app(tmp_path)
    installed = make_app(tmp_path / "maskdesk_app")
    assert app_folder(tmp_path) == installed


def test_a_core_without_its_app_says_what_to_do(tmp_path):
    with pytest.raises(
        InputError, match=r"expected app\.py and pages in .*maskdesk_app, got no such files; reinstall"
    ):
        app_folder(tmp_path)


def test_all_options_are_streamlits(monkeypatch):
    got = []
    server = type("Server", (), {"main": staticmethod(got.extend)})
    monkeypatch.setattr(serving, "import_module", {"pages.shell.serve": server}.__getitem__)
    monkeypatch.setattr(serving.sys, "path", list(serving.sys.path))
    run = CliRunner().invoke(app, ["app", "--server.port", "8502", "--theme.base=dark"])
    assert run.exit_code == 0, run.output
    assert got == ["--server.port", "8502", "--theme.base=dark"]
    assert serving.sys.path[0] == str(app_folder())


def test_without_streamlit_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    run = CliRunner().invoke(app, ["app"])
    assert run.exit_code == 2
    sentence = "the app needs packages that are not installed (streamlit, pandas, plotly)"
    assert run.stderr == f'{sentence}: pip install "maskdesk[app]"\n'


def test_training_without_its_extra_says_so_before_it_reads_anything(monkeypatch, tmp_path):
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    run = CliRunner().invoke(
        app, ["train", "--ground-truth", str(tmp_path / "none.json"), "--images", str(tmp_path)]
    )
    assert run.exit_code == 2
    assert (
        run.stderr
        == 'train needs packages that are not installed (matplotlib): pip install "maskdesk[train]"\n'
    )

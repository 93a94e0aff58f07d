"""Which model a project is offered, and what it is asked for: as its images look, unless somebody says."""

from collections import Counter

import pytest
from typer.testing import CliRunner

from maskrcnn_core.cli import app as cli
from maskrcnn_core.images.reading import encode_png
from maskrcnn_core.models.catalog import model_by_key
from maskrcnn_core.models.domains import OWN, looks
from maskrcnn_core.models.domains.rule import Guess
from maskrcnn_core.projects.db.location import DATA_VARIABLE, DATABASE_VARIABLE
from maskrcnn_core.projects.exchange.images_in import import_images
from maskrcnn_core.projects.proposals import fit as looking
from maskrcnn_core.projects.proposals.fit import SAMPLE, Fit, looks_of
from maskrcnn_core.projects.proposals.jobs import jobs_of
from maskrcnn_core.projects.store import Store
from maskrcnn_core.synthetic.scenes import draw_scene
from tests.builders.mixed_model import MIXED, add_mixed_model

NUCLEI = {f"{n}.png": encode_png(draw_scene(300_000 + n, "fluorescence").pixels) for n in range(2)}
SHAPES = {f"s{n}.png": encode_png(draw_scene(300_000 + n).pixels) for n in range(2)}
ALL = "nucleus,circle,square,triangle"


@pytest.fixture(autouse=True)
def data_folder(monkeypatch, tmp_path):
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path / "data"))
    monkeypatch.delenv(DATABASE_VARIABLE, raising=False)
    for name in ("MASKDESK_WEIGHTS", "XDG_CACHE_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "no-weights"))


def invoke(*arguments):
    result = CliRunner().invoke(cli.app, ["project", *map(str, arguments)], catch_exceptions=False)
    assert "Traceback" not in result.output
    return result


@pytest.fixture
def mixed(monkeypatch):
    return add_mixed_model(monkeypatch)


@pytest.fixture
def made():
    """Makes a project of pictures in the store that commands use."""

    def make(pictures, categories=""):
        assert invoke("new", "P", "--categories", categories).exit_code == 0
        store = Store()
        project = store.projects()[0].id
        import_images(store, project, "ann", pictures.items())
        store.close()
        return project

    return make


def categories_proposed(project):
    store = Store()
    names = {row.id: row.name for row in store.categories(project)}
    found = Counter(names[fact.category_id] for fact in store.facts(project))
    store.close()
    return found


def mapping_noted(project):
    store = Store()
    (job,) = jobs_of(store, project)
    store.close()
    return job.model_key, set(job.settings.mapping)


# -- looking ------------------------------------------------------------------------------------------


def test_a_sample_is_spread_over_a_project_and_looked_at_once(store, monkeypatch):
    project = store.create_project("P", "ann").id
    pictures = {f"{n:02}.png": encode_png(draw_scene(n).pixels[:40, : 40 + n]) for n in range(3 * SAMPLE)}
    import_images(store, project, "ann", pictures.items())
    widths = []

    def guess(pixels):
        widths.append(pixels.shape[1])
        return Guess("microscopy", 0.9, len(widths) % 2 == 1)

    monkeypatch.setattr(looking, "guess_domain", guess)
    known = {}
    seen = looks_of(store, project, known)
    assert widths == list(range(40, 40 + 3 * SAMPLE, 3))
    assert seen.told("microscopy") == "4 of 8 sampled images look like microscopy"
    looks_of(store, project, known)
    assert len(widths) == SAMPLE


def test_a_persons_own_model_is_offered_without_a_look(store, monkeypatch):
    monkeypatch.setattr(looking, "guess_domain", lambda pixels: pytest.fail("guessed"))
    project = store.create_project("P", "ann").id
    import_images(store, project, "ann", NUCLEI.items())
    own = model_by_key("nuclei")
    monkeypatch.setattr(type(own), "domains", property(lambda spec: (OWN,)))
    fit = Fit(store, project)
    assert fit.offered(own) == [category.name for category in own.label_map]
    assert fit.misfits(own) == [] and fit.told(own) == ""


@pytest.mark.parametrize(
    ("sure", "model", "offered"),
    [
        ({"microscopy": 5, "photos": 1}, "nuclei", ["nucleus"]),
        ({"drawings": 5}, "shapes", ["circle", "square", "triangle"]),
        ({"photos": 5, "microscopy": 3}, "photos", ["nucleus"]),
        ({}, "photos", ["nucleus", "circle", "square", "triangle"]),
    ],
)
def test_the_model_follows_what_most_pictures_look_like(store, monkeypatch, sure, model, offered):
    fit = Fit(store, store.create_project("P", "ann").id)
    seen = looks.Looks()
    seen.seen, seen.sure = 9, Counter(sure)
    vars(fit)["looks"] = seen
    assert fit.model().key == model
    assert set(fit.offered(add_mixed_model(monkeypatch))) == set(offered)


# -- from the shell -----------------------------------------------------------------------------------


def test_nuclei_in_a_project_without_their_categories_get_the_model_for_nuclei(made):
    made(NUCLEI, "cell")
    result = invoke("annotate", "P", "--quiet", "--map", "nucleus=cell")
    assert "using nuclei because 2 of 2 images look like microscopy" in result.stderr
    assert result.exit_code == 0 and " look like microscopy, but" not in result.stderr


def test_the_option_that_is_suggested_names_what_the_images_look_like(made):
    made(NUCLEI, "cell")
    result = invoke("annotate", "P", "--quiet")
    assert result.exit_code == 2 and "match them with --map nucleus=cell" in result.stderr


@pytest.mark.parametrize("background", [False, True])
def test_no_triangle_is_proposed_among_nuclei_as_their_model_knows_none(made, background):
    project = made(NUCLEI, ALL)
    options = ["--background"] if background else ["--score-threshold", "0.05"]
    result = invoke("annotate", "P", "--quiet", *options)
    assert result.exit_code == 0 and "using nuclei because 2 of 2 images look like" in result.stderr
    if background:
        assert mapping_noted(project) == ("nuclei", {"nucleus"})
    else:
        assert set(categories_proposed(project)) == {"nucleus"}


@pytest.mark.usefixtures("mixed")
@pytest.mark.parametrize("background", [False, True])
def test_a_model_of_two_domains_proposes_what_the_images_look_like_unless_asked(made, background):
    project = made(NUCLEI, ALL)
    options = ["--background"] if background else ["--score-threshold", "0.05"]
    result = invoke("annotate", "P", "--quiet", *options)
    assert (
        "2 of 2 images look like microscopy: only nucleus is proposed, not circle, square, triangle; --map "
        "asks for others" in result.stderr
    )
    if background:
        assert mapping_noted(project) == (MIXED, {"nucleus"})
    else:
        assert set(categories_proposed(project)) == {"nucleus"}


@pytest.mark.usefixtures("mixed")
def test_categories_that_are_named_are_asked_for_also_where_images_look_otherwise(made):
    project = made(NUCLEI, ALL)
    result = invoke("annotate", "P", "--background", "--map", "nucleus=nucleus,circle=circle")
    assert "only nucleus" not in result.stderr
    assert mapping_noted(project) == (MIXED, {"nucleus", "circle"})


def test_a_project_whose_only_categories_are_of_another_domain_keeps_them(made):
    project = made(NUCLEI, "triangle")
    assert invoke("annotate", "P", "--background").exit_code == 0
    assert mapping_noted(project) == ("shapes", {"triangle"})


@pytest.mark.usefixtures("mixed")
def test_images_of_two_domains_are_asked_for_both(made):
    project = made(NUCLEI | SHAPES, ALL)
    invoke("annotate", "P", "--background")
    assert mapping_noted(project) == (MIXED, set(ALL.split(",")))


def test_images_of_a_domain_that_the_model_is_not_for_are_told_with_the_model_that_is(made):
    project = made(NUCLEI | SHAPES, ALL)
    result = invoke("annotate", "P", "--background")
    assert mapping_noted(project) == ("nuclei", {"nucleus"})
    assert "2 of 4 images look like drawings, but the model nuclei is for microscopy" in result.stderr
    assert "--domain drawings takes shapes and finds circle, square, triangle only" in result.stderr


def test_a_model_that_is_not_for_the_images_is_said(made):
    made(NUCLEI, "person")
    result = invoke("annotate", "P", "--background")
    assert "2 of 2 images look like microscopy, but the model photos is for photos" in result.stderr
    assert "(none of it is a category here: add --map nucleus=person)" in result.stderr
    followed = invoke("annotate", "P", "--background", "--domain", "microscopy", "--map", "nucleus=person")
    assert followed.exit_code == 0, "what is said to help does"


def test_a_project_without_categories_is_told_which_option_brings_them(made):
    made(NUCLEI)
    result = invoke("annotate", "P", "--quiet")
    assert result.exit_code == 2
    assert "2 of 2 images look like microscopy: --domain microscopy adds nucleus to it" in result.stderr


@pytest.mark.parametrize("background", [[], ["--background"]])
def test_a_domain_brings_its_model_and_its_categories(made, background):
    project = made(NUCLEI)
    result = invoke("annotate", "P", "--quiet", "--domain", "microscopy", *background)
    assert result.exit_code == 0, result.output
    assert "the project had no categories: added nucleus" in result.stderr
    store = Store()
    assert [row.name for row in store.categories(project)] == ["nucleus"]
    store.close()
    if background:
        assert mapping_noted(project) == ("nuclei", {"nucleus"})
    else:
        assert set(categories_proposed(project)) == {"nucleus"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--domain", "x-rays"], "domain 'x-rays': expected one of photos, microscopy"),
        (["--domain", "photos", "--model", "nuclei"], "nuclei is for microscopy; models for photos: "),
        (["--domain", "own"], "there is no model for it yet"),
    ],
)
@pytest.mark.parametrize("background", [[], ["--background"]])
def test_a_domain_that_cannot_be_changes_nothing(made, options, says, background):
    project = made(NUCLEI)
    result = invoke("annotate", "P", "--quiet", *options, *background)
    assert result.exit_code == 2 and says in result.stderr
    store = Store()
    assert store.categories(project) == [] and jobs_of(store, project) == []
    store.close()

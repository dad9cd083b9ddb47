"""The pages that are made from the code say what the code says."""

import pytest

import syco_data
from syco_data import build
from tests.support import pages


@pytest.mark.parametrize("name", pages.PAGES)
def test_a_page_is_as_the_code_has_it(name):
    assert (pages.DOCS / name).read_text(encoding="utf-8") == pages.PAGES[name](), "python -m tests.support.pages"


def test_every_table_of_a_build_is_described():
    assert set(pages.ROWS) == set(build.KINDS)


def test_every_public_name_can_be_imported():
    assert all(getattr(syco_data, name) is not None for name in syco_data.__all__)

"""What the settings name on this machine: the user's folder of templates, templates, folders of models."""

import re
from pathlib import Path
from typing import TYPE_CHECKING

from syco_data.errors import SycoError
from syco_data.settings.names import shown, unknown
from syco_data.settings.records import local_path

if TYPE_CHECKING:
    from syco_data.settings.whole import Settings

BUILT_IN = Path(__file__).parents[1] / "data/templates"
HUB_ID = re.compile(r"\w[\w.-]*/\w[\w.-]*")


def require(settings: "Settings") -> None:
    """Raises `SycoError` for a template, or a folder of templates or of a model to build, that is not there."""
    folder = local_path(settings.prompts.template_folder)
    if not folder.is_dir():
        raise SycoError(
            f"params.yaml: prompts.template_folder: there is no folder {shown(settings.prompts.template_folder)}",
            "Correct it, or make the folder: it may be empty",
        )
    names = sorted({path.stem for place in (BUILT_IN, folder) for path in place.glob("*.jinja")})
    places = {"prompts": settings.prompts.templates, "probes.held_out": settings.probes.held_out.templates}
    for group, templates in places.items():
        for name in templates:
            if name not in names:
                raise SycoError(f"params.yaml: {group}.templates: {unknown(name, names)}")
    for name in settings.build.models:
        model = settings.models[name]
        if model.is_on_hub and not HUB_ID.fullmatch(model.source):
            raise SycoError(
                f"params.yaml: models.{name}.source: there is no folder {shown(model.source)}, and it is not a Hub id "
                "(OWNER/NAME) either",
                "Correct it",
            )

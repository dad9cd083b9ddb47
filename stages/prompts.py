"""Stage prompts: the candidate prompts with their answers."""

from stages import run
from stages.folders import CLAIMS, PROMPTS
from syco_data import prompts, schemas, tables
from syco_data.settings import Settings


def main(settings: Settings) -> None:
    claims = tables.read(CLAIMS / "claims.parquet", schemas.CLAIMS, prompts.claim_columns())
    built = prompts.build(claims, settings.prompts, settings.seed)
    with tables.writer(schemas.PROMPTS, PROMPTS / "prompts.parquet") as out:
        for chunk in built.chunks():
            out.append(chunk)
    tables.write(built.dropped, schemas.NOT_SAMPLED, PROMPTS / "dropped.parquet")


if __name__ == "__main__":
    run(main)

"""Stage prompts: the candidate prompts with their answers."""

from stages import Summary, run
from stages.tables import build_tables
from syco_data import schemas, tables
from syco_data.progress import counted
from syco_data.prompts import prompts
from syco_data.settings import Settings


def main(settings: Settings) -> Summary:
    places = build_tables(settings)
    claims = tables.read(places.claims, schemas.CLAIMS, prompts.claim_columns())
    built = prompts.build(claims, settings.prompts, settings.seed)
    with tables.writer(schemas.PROMPTS, places.prompts) as out:
        for chunk in built.chunks():
            out.append(chunk)
    tables.write(built.dropped, schemas.NOT_SAMPLED, places.not_sampled)
    summary = counted(len(built.candidates), "prompt")
    return Summary(counted(len(claims), "claim"), summary, built.dropped["reason"])


if __name__ == "__main__":
    run(main)

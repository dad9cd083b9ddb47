"""A release: exactly what the Hub will show, as a folder.

    README.md                             the card: YAML head, text, hand-written part between two fences
    manifest.json                         `syco_data.manifest.Manifest`; names every other file with its digests
    <model>-<arm>/train.parquet           training set of an arm       schemas.RELEASED_TRAIN       key prompt_id
    <model>-<arm>/held_out.parquet        same columns, from held-out rows and seen templates (where probes have any)
    candidates/train.parquet              every prompt, unfiltered     schemas.RELEASED_CANDIDATES  key prompt_id
    verdicts-<model>/train.parquet        one verdict per candidate    schemas.VERDICTS             key prompt_id
    probes/test.parquet                   evaluation items             schemas.RELEASED_PROBES      key probe_id
    dropped/train.parquet                 all dropped rows, reasons    schemas.RELEASED_DROPPED     key dropped_id
    reports/checks.json, audit.json       what stage validate found
    recipe/templates/<name>.jinja         the templates that the prompts were written with

The folder is the config, the file's stem the split: the manifest says so for every table (`files[].table`),
which is what readers should go by. Tables are sorted by their key; ids are stable over versions (`claim_id` is
unique among candidates and joins versions; `prompt_id` covers the claim and all draws; `text_id` is a content id
of the row's text columns, so equal `text_id` means equal texts, and it is there when the texts are not).

Strings stay strings in the files (pandas, polars, DuckDB read words); the card's `dataset_info` makes
`datasets` read closed vocabularies as `ClassLabel`. Texts are null in rows whose text may not be released
(`release.text: none`, or a source's `licence: no_text`); `python -m syco_data restore` fills them in again.

manifest.json, keys sorted, schema 1 (all digests hex):

    schema        1; a reader refuses a greater number
    version       "1.2.0"
    change        first | major | minor | patch | none, against `previous`
    previous      null, or {version, manifest: sha256 of its manifest.json}
    text          full | partial | none: whether texts are there in all, some or no rows from the sources
    files         sorted by path, README.md included, manifest.json not: {path, bytes, sha256, table}
                  table: null, or {config, split, schema, key, columns: {name: type}, rows, content, full_content,
                  withheld_rows}; `content` is the digest of the rows as they lie there (`tables.digest`),
                  `full_content` the digest with all texts filled in (equal when withheld_rows is 0)
    settings      params.yaml's groups that shape a release; paths of this machine are null
    sources       {key: provenance record of stage acquire, and licence: allow | no_text}
    models        {name: {source, revision, digest}}
    templates     {name: sha256 of recipe/templates/<name>.jinja}
    environment   {python, system, machine, packages: {name: version}}; no host, user or path
    git           {commit, dirty}: the last commit that touched what the stages up to `release` declare as code
                  and settings, and whether those files differ from it; null outside a repository. A commit to
                  anything else changes nothing here, so that a release stays the same bytes.
"""

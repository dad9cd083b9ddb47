"""Publishing: one commit and one tag on the Hub per version, or none and a clear error.

Nothing is assumed about a request whose answer was lost: each try reads the head of the repository first and
compares its files with what is meant, so a commit that arrived is recognised and never made twice.
"""

import logging
from collections.abc import Mapping
from pathlib import Path

from syco_data.errors import SycoError
from syco_data.formats import documents
from syco_data.hub import disks, limits
from syco_data.hub.addresses import versions
from syco_data.hub.client import Blob, Remote, State
from syco_data.hub.errors import SIGN_IN
from syco_data.publish import card_check, controls, handwriting
from syco_data.publish.plans import Plan, Receipt, Target, plan
from syco_data.publish.uploads import Differences, Upload, of_release, verified_release
from syco_data.release import manifest
from syco_data.settings import Hub, Publish

log = logging.getLogger(__name__)
AGAIN = "Publish again: what has arrived is found and not sent twice"


def as_configured(folder: Path, settings: Publish, previous: Path | None, retry: Hub) -> Plan | Receipt:
    """What stage publish does with a release folder; without a repository, a plan against the release before it."""
    upload = verified_release(folder)
    if settings.repository is not None:
        controls.check_release(folder, settings.sycophantic)
        return publish(upload, Target(settings.repository, "dataset", settings.private), retry)
    if previous is None:
        return plan(upload, upload.differences({}), "", None)
    before = of_release(previous)
    there = {item.path: Blob(item.bytes, item.sha256, "") for item in before.items}
    return plan(upload, upload.differences(there), before.card(), None)


def dry_run(upload: Upload, target: Target, retry: Hub) -> Plan:
    """What publishing would do now; reads the repository and writes nothing.

    Raises `SycoError` where publishing would refuse, with the same words.
    """
    with disks.client_folders():
        remote = _remote(upload, target, retry)
        state = remote.state()
        if state is None:
            return plan(upload, upload.differences({}), "", target.repository)
        if _checked(remote, upload, target, state) is not None:
            return Plan(target.repository, upload.version, upload.tag, upload.digest, (), (), published=True)
        tree = remote.listing(state.head)
        before = card_check.card_at(remote, state.head, tree) if manifest.CARD in tree else ""
        return plan(upload, upload.differences(tree), before, target.repository)


def publish(upload: Upload, target: Target, retry: Hub) -> Receipt:
    """Brings one version to the Hub and verifies that it is there; a version that is there already is left alone.

    Raises `SycoError` where the tag names other content, another commit came in between, the repository is
    public against the settings, its card was edited by hand, rights are missing or the Hub keeps failing.
    """
    with disks.client_folders():
        remote = _remote(upload, target, retry)
        state = remote.state()
        if state is None:
            remote.create(target.private)
            state = remote.existing()
        there = _checked(remote, upload, target, state)
        commit = there or _commit(remote, upload, state.head)
        if there is None:
            _read_back(remote, upload, commit)
            _tag(remote, upload, commit)
    url = remote.url(upload.tag)
    return Receipt(
        target.repository, target.kind, upload.version, upload.tag, commit, upload.digest, url, written=there is None
    )


def _remote(upload: Upload, target: Target, retry: Hub) -> Remote:
    """The repository, once what is sent and who sends it have been looked at."""
    remote = Remote(target.repository, target.kind, retry)
    if not remote.signed_in:
        raise SycoError(f"{remote.name}: no token was found, and publishing needs one", SIGN_IN)
    if not isinstance(documents.parse_yaml(handwriting.head(upload.card()), manifest.CARD), dict | None):
        raise SycoError(f"{manifest.CARD}: its YAML head holds no names with values")
    return remote


def _checked(remote: Remote, upload: Upload, target: Target, state: State) -> str | None:
    """The commit of this very version, if it is on the Hub; everything that publishing refuses is raised here."""
    _check_visibility(target, state.private)
    tags = remote.tags()
    commit = _published(remote, upload, tags)
    if commit is None and state.head not in versions(tags).values():
        tree = remote.listing(state.head)
        card_check.check(remote, upload, state.head, tree, tags)
        _name_others(remote, upload, tree, tags)
    return commit


def _name_others(remote: Remote, upload: Upload, tree: Mapping[str, Blob], tags: dict[str, str]) -> None:
    """Says which files are deleted that no version brought: the repository may be another one than was meant."""
    others = set(upload.differences(tree).to_delete)
    if others and (last := next(iter(versions(tags).values()), None)):
        others -= set(remote.listing(last))
    if others:
        log.warning(
            "%s: files that no version has brought are deleted by the commit, and stay in the history: %d (first: %s)",
            remote.name, len(others), min(others),
        )  # fmt: skip


def _check_visibility(target: Target, private: bool) -> None:
    if target.private and not private:
        raise SycoError(
            f"{target.kind} repository '{target.repository}' is public, and a private one was asked for",
            "Set publish.private: false if everyone may see the release, or make the repository private",
        )
    if private and not target.private:
        raise SycoError(
            f"{target.kind} repository '{target.repository}' is private, and a public one was asked for. Nothing was "
            "written",
            "Publishing changes no visibility: make it public on its page, or publish without --public "
            "(publish.private: true)",
        )


def _published(remote: Remote, upload: Upload, tags: dict[str, str]) -> str | None:
    """The commit of this very version, if it is on the Hub."""
    commit = tags.get(upload.tag)
    if commit is None:
        return None
    differences = upload.differences(remote.listing(commit))
    if not differences.none:
        raise SycoError(
            f"{remote.name}: tag {upload.tag} exists with other content (first difference: {differences.first()}). "
            "Nothing was written",
            "A published version stays as it is: build the release with a greater version",
        )
    log.info("%s: %s is there already, at commit %s", remote.name, upload.tag, commit)
    return commit


def _commit(remote: Remote, upload: Upload, start: str) -> str:
    """The commit whose files are the upload's: one that is there, or one made on top of `start`."""

    def attempt() -> str:
        head = remote.existing().head
        differences = upload.differences(remote.listing(head))
        if differences.none:
            return head
        if head != start:
            raise SycoError(
                f"{remote.name} received commit {head} while {upload.tag} was being published. {upload.tag} was not "
                "written",
                "Look at that commit, then publish again",
            )
        log.info("%s: commit of %s on top of %s", remote.name, upload.tag, head)
        return remote.commit(_operations(differences), head, f"Version {upload.version}")

    try:
        # 412: the head has moved, perhaps by our own commit whose answer was lost. 404: an upload in parts was
        # completed and its answer lost, so that completing it again finds no upload.
        return remote.attempt("commit", attempt, also=frozenset({404, 409, 412}))
    except SycoError:
        if landed := _landed(remote, upload):
            return landed
        raise


def _landed(remote: Remote, upload: Upload) -> str | None:
    """The head, if it holds the upload in spite of the error of the last try."""
    remote.deadline = limits.Deadline(max(limits.LAST_LOOK, remote.deadline.left))
    try:
        head = remote.existing().head
        return head if upload.differences(remote.listing(head)).none else None
    except SycoError as error:
        raise SycoError(f"{error.what}. Whether the commit arrived is not known", AGAIN) from error


def _operations(differences: Differences) -> list:
    """Fresh operations, for one try: the client changes them."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    return [
        *(CommitOperationAdd(item.path, str(item.source)) for item in (*differences.new, *differences.changed)),
        *(CommitOperationDelete(path, is_folder=False) for path in differences.to_delete),
    ]


def _read_back(remote: Remote, upload: Upload, commit: str) -> None:
    differences = upload.differences(remote.listing(commit))
    if not differences.none:
        raise SycoError(
            f"{remote.name}: commit {commit} does not hold what was sent (first difference: {differences.first()}). "
            f"{upload.tag} was not set",
            "Prove the release with `python -m syco_data verify`, then publish again",
        )


def _tag(remote: Remote, upload: Upload, commit: str) -> None:
    """Sets the tag and sees it set."""

    def attempt() -> None:
        there = remote.tags().get(upload.tag)
        if there is None:
            remote.create_tag(upload.tag, commit)
            there = remote.tags().get(upload.tag)
        if there != commit:
            raise SycoError(f"{remote.name}: tag {upload.tag} names commit {there}, not {commit}")

    try:
        remote.attempt(f"tag {upload.tag}", attempt, also=frozenset({409}))
    except SycoError as error:
        raise SycoError(f"{error.what}. Commit {commit} is there; whether its tag is, is not known", AGAIN) from error

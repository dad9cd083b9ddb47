"""Where releases go."""

from syco_data.settings.records import Record, Text


class Publish(Record):
    """Where releases go: OWNER/NAME on the Hub, or null for a dry run; the privacy that the repository must have.

    `sycophantic`: a release may hold arms whose completions follow the user.
    """

    repository: Text | None
    private: bool
    sycophantic: bool = False

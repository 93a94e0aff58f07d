"""The errors that MaskDesk's core raises on purpose.

    CoreError                 everything below; pages and the command line catch this one
    +-- InputError            something a person gave cannot be used
    |   +-- ImageError        an image file: unknown format, broken, too large, too thin
    |   +-- ArchiveError      a zip: a member or the whole archive is refused
    |   +-- DatasetError      a data set file (COCO JSON ...): names the place in the file
    |   +-- NamesMissing      a checkpoint does not name its categories, and nobody else has
    +-- WeightsError          a weights file is absent, broken, of another model, or cannot be fetched
    +-- InferenceError        the network gave NaN or ran out of memory on every fallback
    +-- TrainingError         training diverged
    +-- ExportError           an export could not be written, or did not read back exactly
    +-- StoreError            a project's database or files cannot be used, or are damaged
        +-- AwayError         the database's server does not answer
        +-- FilesAwayError    the bucket with the files does not answer
        +-- DamageError       rows of the database are not what was written
        +-- CategoryNeededError  nobody has said which category something is of
        +-- ConflictError     somebody else changed it meanwhile; both versions are kept

A message says where, what was wanted, what was found, and what helps, in one sentence or two that
can be shown to a person as they are. Anything else that is raised is a bug and shows as one.
"""

__all__ = [
    "ArchiveError",
    "AwayError",
    "CategoryNeededError",
    "ConflictError",
    "CoreError",
    "DamageError",
    "DatasetError",
    "ExportError",
    "FilesAwayError",
    "ImageError",
    "InferenceError",
    "InputError",
    "NamesMissing",
    "StoreError",
    "TrainingError",
    "WeightsError",
]


class CoreError(Exception):
    """Base of all errors that the core raises on purpose."""


class InputError(CoreError):
    """Something a person gave cannot be used."""


class ImageError(InputError):
    """An image file that is refused, and why."""


class ArchiveError(InputError):
    """A zip archive, or a member of one, that is refused, and why."""


class DatasetError(InputError):
    """A data set file that is refused; the message names the place, as ``annotations[17].bbox``."""


class NamesMissing(InputError):
    """A checkpoint that does not name its categories, where nobody has named them either."""


class WeightsError(CoreError):
    """A weights file that is absent, broken, of another model, or cannot be fetched."""


class InferenceError(CoreError):
    """The network gave nothing usable for an image; never the same as 'no objects'."""


class TrainingError(CoreError):
    """Training cannot go on: a loss is not finite."""


class ExportError(CoreError):
    """An export could not be written, or did not read back as it was."""


class StoreError(CoreError):
    """A project's database or files cannot be opened, read or written; what was saved before stays."""


class AwayError(StoreError):
    """The database's server does not answer, and may come back.

    Args:
        message: for people.
        may_repeat: a connection was there and was lost: the same may be tried again at once.
        is_sure: whether it is sure that nothing was changed.
    """

    def __init__(self, message: str, *, may_repeat: bool = False, is_sure: bool = True) -> None:
        super().__init__(message)
        self.may_repeat = may_repeat
        self.is_sure = is_sure


class FilesAwayError(StoreError):
    """The place of a project's files cannot be reached, and may come back: it says nothing of one file."""


class DamageError(StoreError):
    """Rows of a project's database are not what was written; the others can still be had."""


class CategoryNeededError(StoreError):
    """Something was to be made that needs a category, and neither a person nor a network has said which."""


class ConflictError(StoreError):
    """Somebody else changed the same thing meanwhile. Theirs stands, the refused one is in the journal."""

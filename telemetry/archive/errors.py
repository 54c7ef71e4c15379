"""
Why archived readings cannot be had. Each message names the month, the file and the remedy.
"""


class ArchiveUnreadable(Exception):
    """
    Readings that a read needs are in the archive and cannot be had from there.
    """


class PlaceUnreachable(ArchiveUnreadable):
    """
    The place of the archive does not answer.
    """


class FileMissing(ArchiveUnreadable):
    """
    The file of an archived month is not where its manifest says.
    """


class FileDamaged(ArchiveUnreadable):
    """
    The file of an archived month is not what its manifest says.
    """


class ManifestAltered(ArchiveUnreadable):
    """
    The manifest of an archived month is not what was signed.
    """

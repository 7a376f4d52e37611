"""Decodes text files in UTF-8, UTF-16 and UTF-32; names other encodings and kinds of files."""

import codecs
import shlex
from pathlib import Path

from medqa.data import encoding_detection
from medqa.data.identifiers import mask
from medqa.runtime.errors import UserError

# First bytes of files of other kinds (of texts in lower case) → what they are, and what to do.
MAGIC = {
    b"\x1f\x8b": ("a gzip file", "Unpack it: mv {file} {file}.gz && gunzip {file}.gz"),
    b"PK\x03\x04": (
        "a ZIP archive or an Excel workbook (.xlsx)",
        'Unpack it; or save the workbook as "CSV UTF-8", with the extension .csv.',
    ),
    b"\xd0\xcf\x11\xe0": ("an old Excel or Word file", 'Save it as "CSV UTF-8", with the extension .csv.'),
    b"PAR1": ("a Parquet file", "Give it its extension: mv {file} {stem}.parquet"),
    b"%PDF": ("a PDF file", "Give question and answer as text."),
    b"BZh": ("a bzip2 file", "Unpack it: mv {file} {file}.bz2 && bunzip2 {file}.bz2"),
    b"\xfd7zXZ": ("an xz file", "Unpack it: mv {file} {file}.xz && unxz {file}.xz"),
    b"\x28\xb5\x2f\xfd": ("a zstd file", "Unpack it: mv {file} {file}.zst && unzstd --rm {file}.zst"),
    b"7z\xbc\xaf": ("a 7-Zip archive", "Unpack it."),
    b"SQLite format 3": ("an SQLite database", "Export the table as CSV."),
    b"ARROW1": ("an Arrow file", "Save it as Parquet: pandas.read_feather(…).to_parquet(…)"),
    b"\x80\x04": ("a Python pickle", "Save the records as JSON."),
    b"version https://git-lfs.": ("a Git LFS pointer", "Get the file itself: git lfs pull"),
    b"<!doctype html": ("an HTML page", "Perhaps a login or error page was saved: download the file again."),
    b"<html": ("an HTML page", "Perhaps a login or error page was saved: download the file again."),
    b"{\\rtf": ("an RTF file", "Save it as plain text in UTF-8."),
}  # fmt: skip
# Bytes of the beginning of a file that are compared with those, and what may precede the text there.
START, BLANKS = 40, b"\xef\xbb\xbf \t\r\n"


def read_text(path: Path) -> tuple[str, str]:
    """The text of a file, and its encoding where that is not UTF-8, else "".

    Raises:
        UserError: the file has another encoding, or is no text file; with what to type.
    """
    content = path.read_bytes()
    refuse_other_kinds(path, content[:START])
    for mark, encoding in (
        (codecs.BOM_UTF32_LE, "UTF-32"), (codecs.BOM_UTF32_BE, "UTF-32"),
        (codecs.BOM_UTF16_LE, "UTF-16"), (codecs.BOM_UTF16_BE, "UTF-16"),
    ):  # fmt: skip
        if content.startswith(mark):
            return _decoded(path, content, encoding), encoding
    # The first character of JSON and of a table is of ASCII, so its other byte is zero in UTF-16.
    zeros = [byte == 0 for byte in content[:2]]
    if any(zeros) and not all(zeros):
        encoding = "UTF-16BE" if zeros[0] else "UTF-16LE"
        return _decoded(path, content, encoding), encoding
    return _decoded(path, content, "UTF-8-SIG"), ""


def refuse_other_kinds(path: Path, start: bytes) -> None:
    """Refuse a file whose first bytes (START of them) show that it is empty, or no text.

    Raises:
        UserError: with what the file is, and what to do.
    """
    if not start:
        raise UserError("is empty (0 bytes). Copy or export it again, or move it away.")
    first_text = start.lstrip(BLANKS).lower()
    for magic, (kind, advice) in MAGIC.items():
        is_it = start.startswith(magic) or first_text.startswith(magic)
        if is_it and not (magic == b"PAR1" and path.suffix == ".parquet"):
            names = {"file": shlex.quote(str(path)), "stem": shlex.quote(str(path.with_suffix("")))}
            raise UserError(
                f"is {kind}, and not the {path.suffix} file of its name. {advice.format(**names)}"
            )


def _decoded(path: Path, content: bytes, encoding: str) -> str:
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        name = encoding.removesuffix("-SIG")
        where = f"not {name} (byte {content[error.start]:#04x} at position {error.start})"
        if name != "UTF-8":
            raise UserError(f"{where}: the file is damaged or cut off. Export it again, in UTF-8.") from None
        raise UserError(f"{where}{_about_encoding(path, content)}") from None


def _about_encoding(path: Path, content: bytes) -> str:
    """What a file is that is not UTF-8, and what to do."""
    if encoding_detection.is_binary(content):
        return ": the file is binary data and no text. Export it again, as text in UTF-8, or move it away."
    if others := encoding_detection.mixed_with_utf8(content):
        return (
            f", but {others:,} other characters in it are: it was put together from files in two encodings, "
            "or is damaged. Export it again, in UTF-8."
        )
    found = encoding_detection.readings(content)
    if not found:
        return ": its encoding was not recognized. Export it again, in UTF-8, or move it away."
    shown = [f'"{mask(sample)}"' for sample in encoding_detection.samples(found)]
    doubt = ""
    if len(found) > 1:
        doubt = f" It could also be {found[1].name}: {shown[1]}; then use that name in the command."
    file, kept = shlex.quote(str(path)), shlex.quote(f"{path}.original")
    return (
        f"; it is probably {found[0].name}, with which it reads {shown[0]}.{doubt} Look at the text first. "
        f"Convert it: mv {file} {kept} && iconv -f {found[0].name} -t UTF-8 {kept} > {file}"
    )

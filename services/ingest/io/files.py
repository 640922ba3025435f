"""Files of feedback -> rows with their line: CSV, JSON lines, mbox. Reads; knows no event and posts nothing."""

import csv
import hashlib
import mailbox
from collections.abc import Iterator
from email.message import EmailMessage
from email.policy import default as modern
from email.utils import parseaddr, parsedate_to_datetime
from pathlib import Path
from typing import Any, NamedTuple

import inscriptis
from mailparser_reply import EmailReplyParser

from services.contracts.errors import BadMessage, Misconfigured
from services.ingest.strict_json import parse

_SNIFFED = 1 << 16
_MAIL_LANGUAGES = ["en", "de", "fr", "es", "it", "nl", "pl", "da", "sv"]


class Row(NamedTuple):
    """One record of a file and the line that it begins on; `problem` where it cannot be read."""

    line: int
    fields: dict[str, Any]
    problem: str = ""


def kind_of(path: Path) -> str:
    """csv, jsonl or mbox, by the name. Raises Misconfigured for a file of another kind."""
    kinds = {".csv": "csv", ".tsv": "csv", ".txt": "csv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".mbox": "mbox"}
    kind = kinds.get(path.suffix.lower())
    if not path.is_file():
        raise Misconfigured([f"{path} is not a file."])
    if kind is None:
        raise Misconfigured([f"{path.name}: name it .csv, .jsonl or .mbox, so that it is clear how to read it."])
    return kind


def rows(path: Path) -> Iterator[Row]:
    """Every record of the file, in order."""
    kind = kind_of(path)
    if kind == "csv":
        return _csv(path)
    return _json_lines(path) if kind == "jsonl" else _mbox(path)


def digest(path: Path) -> str:
    """SHA-256 of the file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _csv(path: Path) -> Iterator[Row]:
    encoding = _encoding(path)
    csv.field_size_limit(1 << 21)
    with path.open(encoding=encoding, newline="", errors="replace") as file:
        sample = file.read(_SNIFFED)
        file.seek(0)
        try:
            dialect = csv.Sniffer().sniff(sample, delimiters=",;\t|")
            reader = csv.DictReader(file, delimiter=dialect.delimiter)
        except csv.Error:
            reader = csv.DictReader(file)
        line = reader.reader.line_num + 1
        if not reader.fieldnames:
            raise Misconfigured([f"{path.name} has no header line."])
        line = reader.reader.line_num + 1
        while True:
            try:
                fields = next(reader, None)
            except csv.Error:
                yield Row(line, {}, "The line is not CSV.")
                line = reader.reader.line_num + 1
                continue
            if fields is None:
                return
            fields.pop(None, None)  # cells beyond the header
            yield Row(line, {name.strip(): value for name, value in fields.items() if name})
            line = reader.reader.line_num + 1


def _encoding(path: Path) -> str:
    """UTF-8, or what spreadsheets on Windows write."""
    with path.open("rb") as file:
        for chunk in iter(lambda: file.read(1 << 20), b""):
            try:
                chunk.decode("utf-8")
            except UnicodeDecodeError as error:
                if error.start < len(chunk) - 3:
                    return "cp1252"
    return "utf-8-sig"


def _json_lines(path: Path) -> Iterator[Row]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                fields = parse(line)
            except BadMessage as error:
                yield Row(number, {}, error.message)
                continue
            if isinstance(fields, dict):
                yield Row(number, fields)
            else:
                yield Row(number, {}, "The line is not a JSON object.")


# ---- mail -----------------------------------------------------------------------------------------------------------


def _mbox(path: Path) -> Iterator[Row]:
    """A mail is a row: id, occurred_at, text, customer, conversation. The position is its number in the box."""
    replies = EmailReplyParser(languages=_MAIL_LANGUAGES)
    box = mailbox.mbox(path, factory=None, create=False)
    try:
        for number, key in enumerate(box.iterkeys(), start=1):
            try:
                yield Row(number, _mail(box.get_bytes(key), replies))
            except (ValueError, TypeError, LookupError, KeyError, IndexError, AttributeError):
                yield Row(number, {}, "The mail cannot be read.")
    finally:
        box.close()


def _mail(data: bytes, replies: EmailReplyParser) -> dict[str, Any]:
    import email

    message = email.message_from_bytes(data, policy=modern)
    fields: dict[str, Any] = {"text": _said(message, replies)}
    if message["date"]:
        fields["occurred_at"] = parsedate_to_datetime(str(message["date"])).isoformat()
    name = str(message["message-id"] or "").strip("<> \t")
    if name:
        fields["id"] = name[:200]
    address = parseaddr(str(message["from"] or ""))[1]
    if address:
        fields["customer.id"] = address.lower()
    thread = str(message["references"] or message["in-reply-to"] or "").split()
    if thread or name:
        fields["conversation_id"] = (thread[0].strip("<>") if thread else name)[:200]
    return fields


def _said(message: EmailMessage, replies: EmailReplyParser) -> str:
    """Subject and what this person wrote, without what they quoted."""
    part = message.get_body(preferencelist=("plain", "html"))
    body = part.get_content() if part is not None else ""
    if part is not None and part.get_content_subtype() == "html":
        body = inscriptis.get_text(body)
    subject = str(message["subject"] or "").strip()
    said = (replies.parse_reply(text=body) or body).strip()
    return f"{subject}\n\n{said}".strip()[:20_000] if subject else said[:20_000]

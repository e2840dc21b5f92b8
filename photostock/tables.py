"""The tables of the catalogue, the same in SQLite and in PostgreSQL."""

from __future__ import annotations

from sqlalchemy import JSON, Boolean, Column, Float, Integer, LargeBinary, MetaData, String, Table, Text

from photostock.photo import LONGEST_DATE

# Sorted by bytes in both databases; a PostgreSQL locale would order ids differently from SQLite.
ID = String(128).with_variant(String(128, collation="C"), "postgresql")
TABLES = MetaData()
PHOTOS = Table(
    "photostock_photos",
    TABLES,
    Column("id", ID, primary_key=True),
    Column("title", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("photographer", Text, nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("color", String(7), nullable=False),
    Column("licence", Text, nullable=False),
    Column("created_at", String(LONGEST_DATE), nullable=False),
    Column("popularity", Float, nullable=False),
    Column("safe", Boolean, nullable=False),
    Column("scene", JSON(none_as_null=True)),
    Column("queries", JSON, nullable=False),
    Column("picture", JSON(none_as_null=True)),
    Column("source_url", Text),
    Column("fingerprint", String(64), nullable=False),
    Column("revision", Integer, nullable=False, index=True),
)
VECTORS = Table(
    "photostock_vectors",
    TABLES,
    Column("encoder_version", String(64), primary_key=True),
    Column("photo_id", ID, primary_key=True, index=True),
    Column("vector", LargeBinary, nullable=False),
)
TOMBSTONES = Table(
    "photostock_tombstones",
    TABLES,
    Column("id", ID, primary_key=True),
    Column("revision", Integer, nullable=False, index=True),
)
REVISION = Table(
    "photostock_revision",
    TABLES,
    Column("id", Integer, primary_key=True),
    Column("value", Integer, nullable=False),
)
FIELDS = [  # of a photo
    column for column in PHOTOS.c if column.name not in {"fingerprint", "revision"}
]

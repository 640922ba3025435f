"""The tables of the store, the same on SQLite and PostgreSQL. Times are microseconds since 1970, days are ordinals.

`feedback` is written once per event and holds the only copy of the text; `tags` holds the newest tag revision and what
lists are filtered by. They meet by id, so it does not matter which of the two arrives first; `untagged` holds what has
no tags yet, so that waiting and missing events are counted without looking at all of them. Of a conversation one event
`counts`, its head: whoever counts, quotes or asks about voices asks for that.
"""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table, Text

from services.api.pools import POOL_MEASURES, POOLS
from services.api.rollups import CELL_MEASURES, NARROW, RATING_MEASURES, RATINGS, WIDE

VERSION = 3
"""Of the store's layout. A store of another version is refused; `palette rebuild` makes one of this version."""

metadata = MetaData()

_Big = BigInteger().with_variant(Integer, "sqlite")

schema_version = Table("schema_version", metadata, Column("version", Integer, primary_key=True))

offsets = Table(
    "offsets",
    metadata,
    Column("topic", String, primary_key=True),
    Column("partition", Integer, primary_key=True),
    Column("owner", String, nullable=False),
    Column("next", _Big, nullable=False),
)

feedback = Table(
    "feedback",
    metadata,
    Column("seq", _Big, primary_key=True, autoincrement=True),
    Column("id", String, nullable=False, unique=True),
    Column("source", String, nullable=False),
    Column("source_id", String, nullable=False),
    Column("channel", String, nullable=False),
    Column("occurred_at", _Big, nullable=False),
    Column("received_at", _Big, nullable=False),
    Column("customer", String),
    Column("mode", String, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", _Big, nullable=False),
    Column("text", Text),
    Column("facts", LargeBinary, nullable=False),  # the event without its text, as JSON
    Index("feedback_newest", "received_at", "id"),
    Index("feedback_source", "source", "source_id"),
    Index("feedback_customer", "customer", "occurred_at"),
)

untagged = Table(
    "untagged",
    metadata,
    Column("id", String, primary_key=True),
    Column("source", String, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", _Big, nullable=False),
)

tags = Table(
    "tags",
    metadata,
    Column("id", String, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("status", String, nullable=False),
    Column("stage", String, nullable=False),
    Column("area", String, nullable=False),  # the main one
    Column("areas", String, nullable=False),  # all of them as ` a b ` for LIKE
    Column("themes", String, nullable=False),
    Column("sentiment", String, nullable=False),
    Column("intent", String, nullable=False),
    Column("severity", Integer, nullable=False),
    Column("source", String, nullable=False),
    Column("channel", String, nullable=False),
    Column("product", String, nullable=False),
    Column("region", String, nullable=False),
    Column("site", String, nullable=False),
    Column("counts", Integer, nullable=False),  # 0: a part of a conversation that another event stands for
    Column("conversation", String),  # what the sender calls it
    Column("occurred_at", _Big, nullable=False),
    Column("received_at", _Big, nullable=False),
    Column("body", LargeBinary, nullable=False),  # the whole message
    Index("tags_newest", "received_at", "id"),
    Index("tags_stage", "stage", "received_at", "id"),
    Index("tags_status", "status", "counts", "received_at", "id"),
)
Index(
    "tags_conversation",
    tags.c.conversation,
    tags.c.source,
    tags.c.received_at,
    sqlite_where=tags.c.conversation.is_not(None),
    postgresql_where=tags.c.conversation.is_not(None),
)

narrow = Table(
    "rollup_narrow",
    metadata,
    *(Column(name, Integer if name == "day" else String, primary_key=True) for name in NARROW),
    *(Column(name, _Big, nullable=False) for name in CELL_MEASURES),
)
wide = Table(
    "rollup_wide",
    metadata,
    *(Column(name, Integer if name == "day" else String, primary_key=True) for name in WIDE),
    *(Column(name, _Big, nullable=False) for name in CELL_MEASURES),
    Index("wide_theme", "theme", "day"),
    Index("wide_area", "area", "stage", "day"),
)
ratings = Table(
    "rollup_ratings",
    metadata,
    *(Column(name, Integer if name == "day" else String, primary_key=True) for name in RATINGS),
    *(Column(name, _Big, nullable=False) for name in RATING_MEASURES),
)
pools = Table(
    "rollup_pools",
    metadata,
    *(Column(name, Integer if name in {"day", "band"} else String, primary_key=True) for name in POOLS),
    *(Column(name, _Big, nullable=False) for name in POOL_MEASURES),
)
for _rollup in (narrow, wide, ratings, pools):
    Index(f"{_rollup.name}_empty", _rollup.c.n, sqlite_where=_rollup.c.n == 0, postgresql_where=_rollup.c.n == 0)

actions = Table(
    "actions",
    metadata,
    Column("id", String, primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("group", String, nullable=False),
    Column("state", String, nullable=False),
    Column("team", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("theme", String, nullable=False),
    Column("stage", String, nullable=False),
    Column("area", String, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("severity", Integer, nullable=False),
    Column("opened_at", _Big, nullable=False),
    Column("updated_at", _Big, nullable=False),
    Column("resolve_due_at", _Big, nullable=False),
    Column("mode", String, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("actions_state", "state", "priority"),
    Index("actions_group", "group"),
)
changes = Table(
    "action_changes",
    metadata,
    Column("id", String, primary_key=True),
    Column("action", String, nullable=False),
    Column("command", String, nullable=False),
    Column("member", Integer, nullable=False),  # 1 when it is only a member that joined or left
    Column("partition", Integer, nullable=False),
    Column("offset", _Big, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("changes_of", "action", "member", "offset"),
    Index("changes_by_command", "command"),
)
members = Table(
    "action_members",
    metadata,
    Column("action", String, primary_key=True),
    Column("event", String, primary_key=True),
    Column("present", Integer, nullable=False),
    Column("offset", _Big, nullable=False),
    Index("members_of_event", "event"),
)
commands = Table(
    "commands",
    metadata,
    Column("id", String, primary_key=True),
    Column("action", String, nullable=False),
    Column("reason", String, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
corrections = Table(
    "corrections",
    metadata,
    Column("id", String, primary_key=True),
    Column("event", String, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("by", String, nullable=False),
    Column("at", _Big, nullable=False),
    Column("asked", String, nullable=False),
    Column("body", LargeBinary, nullable=False),  # the whole message: what was said, and of which tags
    Index("corrections_of", "event", "revision"),
    Index("corrections_by", "by", "at"),
)
outcomes = Table(
    "notification_outcomes",
    metadata,
    Column("id", String, primary_key=True),
    Column("action", String, nullable=False),
    Column("at", _Big, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Index("outcomes_of", "action", "at"),
)
rejections = Table(
    "rejections",
    metadata,
    Column("id", String, primary_key=True),
    Column("source", String, nullable=False),
    Column("received_at", _Big, nullable=False),
    Column("reason", String, nullable=False),
    Index("rejections_source", "source", "received_at"),
)
letters = Table(
    "dead_letters",
    metadata,
    Column("id", String, primary_key=True),
    Column("service", String, primary_key=True),  # what one cannot read, another may not either
    Column("topic", String, nullable=False),
    Column("partition", Integer, nullable=False),
    Column("offset", _Big, nullable=False),
    Column("code", String, nullable=False),
    Column("detail", String, nullable=False),
    Column("at", String, nullable=False),
    Column("letter_partition", Integer, nullable=False),
    Column("letter_offset", _Big, nullable=False),
    Index("letters_place", "topic", "partition", "offset"),
)
marks = Table(
    "dead_letter_marks",
    metadata,
    Column("id", String, primary_key=True),
    Column("at", String, nullable=False),
)
policies = Table(
    "policies",
    metadata,
    Column("version", String, primary_key=True),
    Column("at", _Big, nullable=False),
    Column("by", String, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
models = Table(
    "model_activations",
    metadata,
    Column("version", String, primary_key=True),
    Column("offset", _Big, nullable=False),  # of its last activation: the largest of all is in force
    Column("body", LargeBinary, nullable=False),
)

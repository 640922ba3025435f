"""`palette`: the table of commands. Parses words, calls one function, exits with its code.

The only module that may import every service, and it does so lazily: each command costs only what it uses.
"""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from services import VERSION
from services.contracts.errors import EXIT_DEPENDENCY_AWAY, EXIT_MISCONFIGURED, Misconfigured, Unavailable

app = typer.Typer(
    name="palette",
    help="Turns what customers say into work that gets done.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
rules = typer.Typer(help="Check and explain the routing rules.", no_args_is_help=True)
letters = typer.Typer(help="Messages that could not be read.", no_args_is_help=True)
keys = typer.Typer(help="API keys.", no_args_is_help=True)
models = typer.Typer(help="Versions of the model.", no_args_is_help=True)
taxonomy = typer.Typer(help="Stages, areas and themes of your own.", no_args_is_help=True)
app.add_typer(rules, name="rules")
app.add_typer(taxonomy, name="taxonomy")
app.add_typer(letters, name="dead-letters")
app.add_typer(keys, name="keys")
app.add_typer(models, name="model")
_Person = Annotated[str | None, typer.Option("--by", help="Your name; the user's name by default.")]


@app.command()
def up() -> None:
    """Start everything on this machine, and stop it in order at Ctrl-C."""
    from services.launcher.app import main

    raise typer.Exit(main())


@app.command("import")
def import_(
    files: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="CSV, JSON lines or mbox.")],
    maps: Annotated[list[str], typer.Option("--map", help="FIELD=COLUMN, as text=Comment.")] = [],  # noqa: B006 - read only
    sets: Annotated[list[str], typer.Option("--set", help="FIELD=VALUE for every row.")] = [],  # noqa: B006 - read only
    zone: Annotated[str, typer.Option(help="Time zone of times that name none.")] = "UTC",
    date_format: Annotated[str | None, typer.Option(help="How times are written, as %d/%m/%Y %H:%M.")] = None,
) -> None:
    """Import files as history: nothing opens, nobody is told. Repeating it changes nothing."""
    from services.ingest.commands import import_files

    raise typer.Exit(import_files(files, maps=maps, sets=sets, zone=zone, date_format=date_format))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def tag(context: typer.Context) -> None:
    """Tag JSON lines from standard input; one line out for each. No Kafka needed."""
    from services.classify.tag_command import main

    raise typer.Exit(main(context.args))


@app.command()
def retag(
    *,
    since: Annotated[datetime, typer.Option(formats=["%Y-%m-%d"], help="From which day on, as 2026-09-01.")],
    split: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Where the second period begins; half-way by default.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(exists=True, file_okay=False, help="Compare under this folder.")
    ] = None,
    apply: Annotated[bool, typer.Option("--apply", help="Write the new tags: they count, nobody is told.")] = False,
    rate: Annotated[int, typer.Option(min=1, max=10_000, help="Events written a second, at most.")] = 200,
    as_json: Annotated[bool, typer.Option("--json", help="Everything as one JSON object.")] = False,
) -> None:
    """History under the taxonomy of now, beside its tags of then: what is only relabelled, and what really changed."""
    from services.classify.io.retag import retag

    second = None if split is None else split.replace(tzinfo=UTC)
    begin = since.replace(tzinfo=UTC)
    raise typer.Exit(retag(since=begin, split=second, policy=policy, apply=apply, rate=rate, as_json=as_json))


@app.command()
def where(source: str, source_id: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Every station of one event: journal, received, rejected, tagged, dead letter, actions."""
    from services.api import commands

    raise typer.Exit(commands.where(source, source_id))


@app.command()
def audit() -> None:
    """Whether accepted = stored + dead-lettered + in flight, per source and day."""
    from services.api import commands

    raise typer.Exit(commands.audit())


@app.command()
def rebuild() -> None:
    """Make the store again from the topics, and say whether it is the same."""
    from services.api import commands

    raise typer.Exit(commands.rebuild())


@app.command()
def resume(name: Annotated[str, typer.Argument(help="classify, router, notify or api.")]) -> None:
    """Let a consumer go on that halted after too many dead letters."""
    from services.api import commands

    raise typer.Exit(commands.resume(name))


@app.command()
def onboard(by: _Person = None) -> None:
    """Teach Palette your company: 30, then 60 labels, chosen to teach most; they count at once."""
    from services.classify import commands

    raise typer.Exit(commands.onboard(by))


@app.command()
def learn(by: _Person = None) -> None:
    """Learn from every correction so far; comes into force only if it is better."""
    from services.classify import commands

    raise typer.Exit(commands.learn(by))


@models.command("list")
def model_list() -> None:
    """Every version, what it learnt from, how it was judged, and which one is in force."""
    from services.classify import commands

    raise typer.Exit(commands.model_list())


@models.command("promote")
def model_promote(version: str, by: _Person = None) -> None:
    """Bring a version into force."""
    from services.classify import commands

    raise typer.Exit(commands.model_promote(version, by))


@models.command("rollback")
def model_rollback(
    version: Annotated[str | None, typer.Argument(help="The one before, by default.")] = None, by: _Person = None
) -> None:
    """Go back to a version."""
    from services.classify import commands

    raise typer.Exit(commands.model_rollback(version, by))


@letters.command("list")
def letters_list() -> None:
    """Letters that nobody has replayed, newest first."""
    from services.api import commands

    raise typer.Exit(commands.dead_letters_list())


@letters.command("show")
def letters_show(name: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """One letter with its original bytes."""
    from services.api import commands

    raise typer.Exit(commands.dead_letters_show(name))


@letters.command("replay")
def letters_replay(names: Annotated[list[str], typer.Argument(metavar="ID…")]) -> None:
    """Write letters back to the topic they came from, and mark them."""
    from services.api import commands

    raise typer.Exit(commands.dead_letters_replay(names))


@rules.command("check")
def rules_check(
    folder: Annotated[Path | None, typer.Argument(help="Policy folder; the one in use by default.")] = None,
) -> None:
    """Check the policy files; every problem with file, line and a way out."""
    from services.notify.commands import check_targets
    from services.router import commands

    raise typer.Exit(max(commands.check(folder), check_targets(folder)))


@rules.command("explain")
def rules_explain() -> None:
    """For each tagged JSON line on standard input: every rule tried, and why it did or did not match."""
    from services.router import commands

    raise typer.Exit(commands.explain())


@taxonomy.command("check")
def taxonomy_check(
    file: Annotated[Path | None, typer.Argument(help="A taxonomy.yaml; the one in use by default.")] = None,
    events: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="JSON lines, as for `palette tag`: a sample.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON array of findings.")] = False,
) -> None:
    """Can it be learnt? What overlaps, what starves; every finding with file, line and a way out."""
    from services.classify.taxonomy_command import check

    raise typer.Exit(check(file, events=events, as_json=as_json))


@keys.command("new")
def keys_new(name: str) -> None:
    """Make an API key: the key to standard output, the line that admits it to standard error."""
    from services.kit.keys import new_key

    key, line = new_key(name)
    print(key)
    print(f"Add this line to the file that PALETTE_API_KEYS_FILE names:\n{line}", file=sys.stderr)


@app.command()
def version() -> None:
    """Which version this is."""
    print(VERSION)


def main() -> None:
    """Runs a command; what a person can mend ends as a sentence."""
    raise SystemExit(_guarded(app))


def _guarded(command: Callable[[], object]) -> int:
    try:
        command()
    except Misconfigured as error:
        for sentence in error.problems:
            print(sentence, file=sys.stderr)
        return EXIT_MISCONFIGURED
    except Unavailable as error:
        print(f"{error}. Is Palette running? `./palette up` starts it.", file=sys.stderr)
        return EXIT_DEPENDENCY_AWAY
    return 0


if __name__ == "__main__":
    main()

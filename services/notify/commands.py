"""What `palette` offers of notify. No framework of commands."""

import os
import sys
from pathlib import Path

from services.contracts.yamlfile import PolicyRefused
from services.kit.settings import Settings
from services.notify.targets import FILE, load_targets


def check_targets(folder: Path | None = None) -> int:
    """Checks targets.yaml as notify would with this environment; every problem with its line. 0 when it is right."""
    settings = Settings.load()
    path = (folder or settings.policy_dir) / FILE
    try:
        found = load_targets(
            path.read_text(encoding="utf-8"),
            environment=os.environ,
            read_file=lambda name: Path(name).read_text(encoding="utf-8"),
            allow_private=settings.allow_private_targets,
        )
    except PolicyRefused as refused:
        print("\n".join(map(str, refused.problems)), file=sys.stderr)
        return 1
    except (OSError, UnicodeDecodeError) as error:
        print(f"{path} cannot be read ({type(error).__name__}).", file=sys.stderr)
        return 1
    print(f"{FILE} is right: {', '.join(sorted(found))}.")
    return 0

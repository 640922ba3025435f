import sys

from services.launcher.app import main

sys.exit(main())

"""``python -m pydotcompute`` is the ``pydotcompute`` command."""

from pydotcompute.tools.cli import main

raise SystemExit(main())

"""``python -m pydotcompute`` is the ``pydotcompute`` command."""

from pydotcompute.cli import main

raise SystemExit(main())

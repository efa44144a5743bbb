"""The command line, the doctor, and what ``pydotcompute.testing`` shares with our tests."""

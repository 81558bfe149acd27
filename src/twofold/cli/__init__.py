"""The command line: arguments in, words out."""

from twofold.cli.program import main as main

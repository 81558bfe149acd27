"""The command line: arguments in, words out."""

from twofold.cli.app import main as main

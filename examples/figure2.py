"""The paper's Figure 2 in a few lines: train the four networks, look at the table, save the figure.

python examples/figure2.py                      20 rounds on the embedded digits: some minutes
python examples/figure2.py --rounds 2 --epochs 1 --pairs 100    a look at how it works: some seconds
"""

import argparse

import twofold


def main() -> None:
    """Run the study; what the store in this folder holds already is not trained again."""
    parser = argparse.ArgumentParser(description="Draw the paper's Figure 2.")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--pairs", type=int, default=1000)
    arguments = parser.parse_args()

    study = twofold.Study(rounds=arguments.rounds, epochs=arguments.epochs, pairs=arguments.pairs)
    result = study.run()
    print(result.table.groupby("network", sort=False).test_error.agg(["mean", "std", "min", "max"]))
    result.figure().savefig("figure2.png")


if __name__ == "__main__":
    main()

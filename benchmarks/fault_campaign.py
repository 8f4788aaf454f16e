"""Does toktrial keep its word when it is killed, damaged or fed with nonsense? One part for each way; --help lists them.

    python benchmarks/fault_campaign.py kills --kills 1000
    python benchmarks/fault_campaign.py damage
    python benchmarks/fault_campaign.py full-disk
    python benchmarks/fault_campaign.py processes
    python benchmarks/fault_campaign.py power-loss
    python benchmarks/fault_campaign.py documents --corpus tinystories/train.txt
    python benchmarks/fault_campaign.py streams
    python benchmarks/fault_campaign.py streams --seed 0 --first 4711 --streams 1       one case again

Shows how far it has come, and prints a tally at the end. At the first difference it prints the case and how to repeat
it, and exits with status 1.
"""

import argparse
import time

from faults import damage, documents, full_disk, kills, power_loss, processes, streams
from faults.difference import Difference

PARTS = {
    "kills": kills,
    "damage": damage,
    "full-disk": full_disk,
    "processes": processes,
    "power-loss": power_loss,
    "documents": documents,
    "streams": streams,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    of_parts = parser.add_subparsers(dest="part", required=True, metavar="PART")
    for name, part in PARTS.items():
        question = (part.__doc__ or "").partition("\n")[0]
        of_part = of_parts.add_parser(
            name, help=question, description=part.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
        )
        of_part.add_argument("--seed", type=int, default=0, help="seed of everything random")
        part.add_options(of_part)
    options = parser.parse_args()
    started = time.monotonic()
    try:
        tally = PARTS[options.part].run(options)
    except Difference as difference:
        raise SystemExit(f"\n{options.part}, seed {options.seed}: DIFFERENT. {difference}") from None
    print(f"\n{options.part}, seed {options.seed}: {tally} ({(time.monotonic() - started) / 60:.1f} minutes)")


if __name__ == "__main__":
    main()

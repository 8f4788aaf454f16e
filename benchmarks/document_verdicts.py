"""How often would an interval over documents, instead of seeds, find a difference between a tokenizer and itself?

    python benchmarks/document_verdicts.py TRIAL

TRIAL is a finished trial with an A/A control, so its baseline was trained under several seeds. Any two of these runs
differ by chance alone. The script prints for how many such pairs the bootstrap interval over documents excludes 0. A
verdict from documents would call each of these a difference.
"""

import argparse
from itertools import combinations
from pathlib import Path

from toktrial.report.inputs import read_trial
from toktrial.report.verdict import document_interval


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trial", type=Path)
    parser.add_argument("--confidence", type=float, default=0.95)
    options = parser.parse_args()
    inputs = read_trial(options.trial)
    pairs = list(combinations([*inputs.runs[inputs.baseline], *inputs.control_runs], 2))
    found = 0
    for one, other in pairs:
        interval = document_interval(other.document_nats - one.document_nats, inputs.document_bytes, options.confidence)
        says_difference = not interval.low <= 0 <= interval.high
        found += says_difference
        print(
            f"{inputs.baseline}, seeds {one.seed} and {other.seed}: {interval.mean:+.4f} bits per byte, {interval.low:+.4f} to "
            f"{interval.high:+.4f}{'  a difference, judging by documents alone' if says_difference else ''}"
        )
    print(f"\na difference in {found} of {len(pairs)} pairs of runs that differ only by seed; {interval.documents} documents")


if __name__ == "__main__":
    main()

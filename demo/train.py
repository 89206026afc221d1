"""Train the demo model from nothing: `python -m demo.train` in the folder that holds `demo`."""

import argparse
import logging
from pathlib import Path

from .dataset import draw_dataset
from .train_unet import UNetTraining, train_unet
from .train_verifier import VerifierTraining, train_verifier
from .weights import FOLDER, MODEL_FILE, VERIFIER_FILE

PARTS = ("unet", "verifier")


def main() -> None:
    options = read_options()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    data = draw_dataset(options.pictures, options.seed, options.threads)
    logging.info("drew %d pictures", len(data.images))
    shared = {"seed": options.seed, "threads": options.threads}
    if "unet" in options.parts:
        training = UNetTraining(steps=options.steps, **shared)
        train_unet(data, training, options.output / MODEL_FILE.name, options.snapshot_every, options.resume)
    if "verifier" in options.parts:
        train_verifier(
            data, VerifierTraining(steps=options.verifier_steps, **shared), options.output / VERIFIER_FILE.name
        )


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--steps", type=int, default=4500, help="steps of the UNet, 64 pictures each")
    parser.add_argument("--verifier-steps", type=int, default=1000, help="steps of the verifier, 128 pictures each")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to train")
    parser.add_argument("--pictures", type=int, default=60_000, help="pictures drawn ahead")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2, help="results are the same for the same number")
    parser.add_argument("--output", type=Path, default=FOLDER)
    parser.add_argument("--snapshot-every", type=int, default=500, help="steps between snapshots")
    parser.add_argument("--resume", action="store_true", help="go on from the last snapshot in the output folder")
    return parser.parse_args()


if __name__ == "__main__":
    main()

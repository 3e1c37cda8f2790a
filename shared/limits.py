"""Every limit on what comes in, in one place (design §4, contract §3.1)."""

from typing import Final

TRAINING_BYTES: Final = 20 * 1024 * 1024
TRAINING_SIDE: Final = (10, 10_240)  # px, least and most
SIDE_CAR_BYTES: Final = 1024 * 1024
IMPORT_BYTES: Final = 512 * 1024 * 1024
PREDICTION_BYTES: Final = 20_971_520
PREDICTION_SIDE: Final = (50, 16_000)  # px, least and most; of test pictures too
CHANGE_RECORD_BYTES: Final = 1024
LABEL_CHARACTERS: Final = 256

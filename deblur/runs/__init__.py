"""Runs: what decides their result, what they are called, and the files that tell their state."""

from deblur.runs.described import (
    OF_BLUR,
    blur_in_words,
    in_sentences,
    measured_on,
    place_in_words,
    shared,
    value_in_words,
)
from deblur.runs.folder import RunFolder, RunIsAlive, RunIsDone
from deblur.runs.identity import (
    WITHOUT_EFFECT,
    config_hash,
    config_without_paths,
    data_settings,
    flatten,
    is_within,
    what_matters,
)
from deblur.runs.names import naming_words, run_folder, run_id
from deblur.runs.records import (
    CONFIG_FILE,
    HISTORY_FILE,
    IMAGES_FILE,
    LOG_FILE,
    METRICS_FILE,
    STATUS_FILE,
    SWEEP_FILE,
    State,
    differing_keys,
    earlier_status,
    read_config,
    read_json,
    state_of,
)
from deblur.runs.resume import resumed_config
from deblur.runs.sharing import shared_run_folder, sharing

__all__ = [
    "CONFIG_FILE",
    "HISTORY_FILE",
    "IMAGES_FILE",
    "LOG_FILE",
    "METRICS_FILE",
    "OF_BLUR",
    "STATUS_FILE",
    "SWEEP_FILE",
    "WITHOUT_EFFECT",
    "RunFolder",
    "RunIsAlive",
    "RunIsDone",
    "State",
    "blur_in_words",
    "config_hash",
    "config_without_paths",
    "data_settings",
    "differing_keys",
    "earlier_status",
    "flatten",
    "in_sentences",
    "is_within",
    "measured_on",
    "naming_words",
    "place_in_words",
    "read_config",
    "read_json",
    "resumed_config",
    "run_folder",
    "run_id",
    "shared",
    "shared_run_folder",
    "sharing",
    "state_of",
    "value_in_words",
    "what_matters",
]

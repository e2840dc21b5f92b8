"""Every fault that is known, and the alert that tells of it: what alerts, runbooks and docs agree with."""

from __future__ import annotations

from collections.abc import Mapping

FAULTS: Mapping[str, tuple[str, ...]] = {  # by the alert that a fault raises
    "ApiDown": ("api_killed", "api_frozen", "api_sigterm"),
    "ApiReplicaDown": ("api_replica_killed",),
    "ModelDown": ("frozen", "killed"),
    "ModelUnreachable": (
        "close_early",
        "dns_failure",
        "flapping",
        "garbage_bytes",
        "http_429",
        "http_500",
        "http_502",
        "http_503",
        "informational_flood",
        "no_route",
        "redirect_loop",
        "refused",
        "reset_mid_body",
        "reset_mid_head",
        "wrong_length",
    ),
    "ModelSlow": (
        "drip_body",
        "drip_head",
        "hang",
        "late",
        "no_connection",
        "only_photostock",
        "only_supermegaretail",
        "saturated",
        "stall_mid_body",
        "stutter",
    ),
    "ModelAnswersWrong": (
        "bad_utf8",
        "crossed",
        "deep_json",
        "duplicated_ids",
        "foreign_ids",
        "gzip_bomb",
        "huge_body",
        "huge_numbers",
        "infinity",
        "long_json",
        "long_strings",
        "nan",
        "negative",
        "not_json",
        "nulls",
        "other_correction",
        "other_shape",
        "other_version",
        "previous_answer",
        "shuffled_ids",
        "strings_for_numbers",
        "too_few_items",
        "too_many_items",
        "truncated_json",
    ),
    "AnswersDegraded": ("better_tier_refuses", "table_damaged_at_start"),
    "AnswersLate": ("answers_after_the_deadline",),
    "RequestsFail": ("writes_fail",),
    "Overloaded": ("caller_that_loops", "rush"),
    "ArtifactRefused": (
        "artifact_missing",
        "artifact_truncated",
        "artifact_corrupt",
        "artifact_other_version",
        "artifact_other_features",
        "artifact_other_library",
        "encoder_truncated",
        "encoder_corrupt",
    ),
    "StateUnavailable": ("database_gone", "database_locked", "database_locked_at_start", "database_read_only"),
    "DiskFull": ("disk_full",),
    "PartUnwell": ("part_unwell", "table_damaged"),
    "LoopBlocked": ("loop_blocked",),
    "ClockJumped": ("clock_ahead", "clock_behind"),
    "ProcessRestarts": ("kill_loop",),
    "ShadowFailing": ("shadow_hangs",),
    "LogLinesLost": ("log_blocked",),
    "InputsDrifted": ("inputs_drifted",),
    "ForecastsOff": ("plausible_and_wrong",),
    "ReleaseTakenBack": ("bad_challenger",),
    "OverrideEnding": ("override_ends",),
    "CallersMistaken": ("callers_send_mistakes",),
}
ALERT_OF: Mapping[str, str] = {fault: alert for alert, faults in FAULTS.items() for fault in faults}

# What comes beside the alert of a fault and is no consequence of it: both are told of one thing from two sides.
BESIDE: Mapping[str, tuple[str, ...]] = {
    "answers_after_the_deadline": ("AnswersDegraded", "LoopBlocked"),
    "rush": ("AnswersDegraded", "ModelSlow", "ModelUnreachable"),  # it overloads the model, too, and may do so first
    "table_damaged_at_start": ("PartUnwell",),
    "writes_fail": ("StateUnavailable",),
}

# What is on the menu and raises nothing by design, and why.
UNNOTICED: Mapping[str, str] = {
    "nothing": "Nothing is wrong: it shows what the machine and the load do by themselves.",
    "api_frozen_shortly": "It is over before an alert would help: event_loop_late_seconds_total shows it.",
    "graph_damaged": "The graph is made anew from the database, unasked: index.file_refused in the log tells it.",
}

"""Every bound of tocsin, by name and unit. Nothing in an event or a process grows past these."""

from __future__ import annotations

from typing import Final

# -- text within an event (characters) -----------------------------------------------------------------
MESSAGE_CHARS: Final = 8_192
NOTE_CHARS: Final = 1_024
NOTES: Final = 16
SOURCE_LINE_CHARS: Final = 240
CONTEXT_LINES: Final = 3  # source lines before and after the failing one
NAME_CHARS: Final = 256  # module, function, logger, thread, exception type
PATH_CHARS: Final = 1_024
QUERY_CHARS: Final = 2_048
HEADER_CHARS: Final = 1_024
HEADERS: Final = 32

# -- shape of an event ---------------------------------------------------------------------------------
FRAMES: Final = 64  # both ends of deeper stacks are kept
CHAIN: Final = 8  # causes and contexts followed
GROUP_MEMBERS: Final = 8  # per exception group
GROUP_DEPTH: Final = 4
EXCEPTIONS: Final = 32  # in one event altogether
FIELDS: Final = 32  # extra fields of a record or report
FIELD_CHARS: Final = 1_024
FIELD_DEPTH: Final = 4
FIELD_ITEMS: Final = 32
FIELD_NODES: Final = 512  # values within one field altogether
EVENT_BYTES: Final = 262_144  # a wire event; a larger one is cut and says so

# -- identity ------------------------------------------------------------------------------------------
FAULT_KEY_FRAMES: Final = 100  # frames walked for the fault key, from the innermost; see fault_key()
STACK_WALK_FRAMES: Final = 500  # frames walked up in search of the middleware

# -- caches and tables of a process --------------------------------------------------------------------
CACHED_FRAMES: Final = 4_096
CACHED_KEYS: Final = 2_048  # names known to be sensitive or not
CACHED_SOURCE_FILES: Final = 32
SOURCE_FILE_BYTES: Final = 1_048_576
LIMITER_KEYS: Final = 4_096
PENDING_EVENTS: Final = 100  # kept in memory while the spool can't be written

# -- limiter -------------------------------------------------------------------------------------------
BURST: Final = 5
FULL_INTERVAL_S: Final = 60.0
IDLE_KEY_S: Final = 900.0
CAPTURES_PER_MINUTE: Final = 600  # full captures per process over all faults; past that: one per fault

# -- spool ---------------------------------------------------------------------------------------------
SEGMENT_BYTES: Final = 8_388_608  # a segment past this is closed and a new generation begins
COUNTER_SLOTS: Final = 4_096  # faults per generation counted by a cell
SPOOL_BYTES: Final = 268_435_456  # default of the setting spool_max_mb
KEEP_DAYS: Final = 7

# -- delivery ------------------------------------------------------------------------------------------
SLICE_BYTES: Final = 65_536  # read per sink and slice
BATCH_ENTRIES: Final = 100
COUNT_READ_INTERVAL_S: Final = 1.0  # at most so often the counts of a living process are read
COUNT_LINE_INTERVAL_S: Final = 5.0  # at most one count line per fault, sink and process in this time
LEADER_POLL_S: Final = 0.25
EXIT_DELAY_S: Final = 2.0
RETRY_FIRST_S: Final = 5.0
RETRY_MAX_S: Final = 900.0
HURRIED_TRIES: Final = 3  # of a failing sink while somebody waits for a flush; then its backoff holds again
HURRIED_PAUSE_S: Final = 0.5
HURRY_S: Final = 60.0  # an older wish is that of a process which died waiting
SINK_DOWN_TOLD_S: Final = 900.0  # a sink failing this long is told through the others

# -- notices -------------------------------------------------------------------------------------------
DETAILED_ISSUES: Final = 8  # told with traceback in one notice; the others are in its list
LISTED_ISSUES: Final = 50  # in one notice's list

# -- routing -------------------------------------------------------------------------------------------
EPISODE_SILENCE_S: Final = 3_600.0  # this much silence ends an episode
ISSUES: Final = 10_000  # kept in the state; the longest silent go first
SAMPLES: Final = 100_000  # where full events lie, kept in the state
CLIENTS_PER_DAY: Final = 1_000  # distinct client hashes kept per issue and day
RATE_BUCKET_S: Final = 10  # occurrences of a warning are counted in steps of this
RATE_WINDOW_S: Final = 600  # … for this long
NOTICE_ISSUES: Final = 500  # told in one notice; what is left over comes with the next

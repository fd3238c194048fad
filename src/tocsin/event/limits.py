"""Every bound of tocsin, by name and unit. Nothing in an event or a process grows past these."""

from __future__ import annotations

from typing import Final

# -- text within an event (characters) -----------------------------------------------------------------
MESSAGE_CHARS: Final = 8_192
NOTE_CHARS: Final = 1_024
NOTES: Final = 16
SOURCE_LINE_CHARS: Final = 240
OPERATION_CHARS: Final = 240  # what of a line failed; of a longer text the rest is a hash
CONTEXT_LINES: Final = 3  # source lines before and after the failing one
ENVIRON_CHARS: Final = 8_192  # of any text of a request; servers bound them too, middleware may not
SCOPE_HEADERS: Final = 256  # of an ASGI request that are looked at
DISCONNECT_MEMBERS: Final = 256  # of a group that are looked at; of a larger one something is worth a report
NAME_CHARS: Final = 256  # module, function, logger, thread, exception type
PATH_CHARS: Final = 1_024
QUERY_CHARS: Final = 2_048
HEADER_CHARS: Final = 1_024
HEADERS: Final = 32
PREPARED_CHARS: Final = 16_384  # of a text that a drop-in handler's formatter made; both ends of a longer one are kept
PREPARED_ITEMS: Final = 64  # parameters of an HTTPHandler's request

# -- rules of masking that an application adds ------------------------------------------------------------
MASKING_RULES: Final = 64
MASKING_RULE_NAMES: Final = 256  # keys of one rule, and names to keep
MASKING_RULE_CHARS: Final = 500  # of one pattern
MASKING_RULE_WIDTH: Final = 500  # characters that one match may have; a cut is looked past for that many
MASKING_RULE_STEPS: Final = 1_000  # ways in which one pattern may be tried at one place of a text

# -- shape of an event ---------------------------------------------------------------------------------
FRAMES: Final = 64  # both ends of deeper stacks are kept
CHAIN: Final = 8  # causes and contexts followed
GROUP_MEMBERS: Final = 8  # per exception group
VALIDATION_ERRORS: Final = 10  # told of one validation error of FastAPI's, and steps to each of them
GROUP_DEPTH: Final = 4
EXCEPTIONS: Final = 32  # in one event altogether
FIELDS: Final = 32  # extra fields of a record or report
FIELD_CHARS: Final = 1_024
FIELD_DEPTH: Final = 4
FIELD_ITEMS: Final = 32
FIELD_NODES: Final = 512  # values within one field altogether
LOCALS_FRAMES: Final = 8  # frames of one event whose local variables are shown
LOCALS: Final = 24  # variables of one frame
LOCALS_BYTES: Final = 8_192  # names and texts of all variables of one event, in UTF-8
LOCALS_S: Final = 0.2  # spent on the variables of one event, on the thread that failed
LOCAL_CHARS: Final = 300  # of one variable's text, give or take its last part
LOCAL_TEXT_CHARS: Final = 200  # of one string or bytes in it
LOCAL_REPEATED_CHARS: Final = 40  # a longer text is shown once, where the same object is in several frames
LOCAL_DEPTH: Final = 3  # containers in containers
LOCAL_ITEMS: Final = 6  # of one container
LOCAL_MEMBERS: Final = 16  # of one dataclass, model or row
LOCAL_SPARE_BYTES: Final = 65_536  # memory of a dict or set beyond its members': past it, it is not walked
DESCRIBED_BASES: Final = 64  # of a class that are looked up among the describers
DESCRIBERS: Final = 256  # of an application's own
PRESENT_DEPTH: Final = 64  # blocks of `context` and work within each other of which it is known which is around which
LATE_CONTEXTS: Final = 100  # entries of a shared `context` object, kept where one was left in another context
TAGS: Final = 32
JOB_NAMES: Final = 1_000  # of APScheduler, remembered past their last run
OVERDUE_TASKS: Final = 100  # of Celery, remembered while their end is told a second time
RAISED: Final = 32  # exceptions of one request whose context is kept
LEAD_UP: Final = 100  # records, past what the setting lead_up may ask for
LEAD_UP_CHARS: Final = 500  # of one record's message
EVENT_BYTES: Final = 262_144  # a wire event; a larger one is cut and says so

# -- identity ------------------------------------------------------------------------------------------
SORTED_CLASSES: Final = 512  # exception classes remembered as to be reported or only tallied
FAULT_KEY_FRAMES: Final = 100  # frames walked for the fault key, from the innermost; see fault_key()
STACK_WALK_FRAMES: Final = 500  # frames walked up in search of the middleware

# -- caches and tables of a process --------------------------------------------------------------------
OPERATION_LINES: Final = 60  # of an expression that is parsed
OPERATION_FUNCTION_LINES: Final = 500  # of a function that is parsed, to find where in it something failed
OPERATION_SOURCE_CHARS: Final = 32_768  # that are parsed at once, on the thread that failed
OPERATION_BRACKETS: Final = 16  # within each other in what is parsed: each takes 2 kB of a stack that may have 64
OPERATION_NODES: Final = 256  # of an expression that enter what is said of it
OPERATION_DEPTH: Final = 24  # of them within each other
OPERATION_ALIKE: Final = 64  # expressions that may read alike, of which it is told which one failed
CACHED_FRAMES: Final = 4_096
CACHED_TEMPLATE_LINES: Final = 256
CACHED_TYPES: Final = 1_024  # classes named in local variables
CACHED_NAMES: Final = 1_024  # names that were masked already
CACHED_KEYS: Final = 2_048  # names known to be sensitive or not
CACHED_CALL_SITES: Final = 4_096  # log calls whose template was read from their source
CALL_SITE_FRAMES: Final = 32  # walked up from a handler to the log call
CALL_SITE_DEPTH: Final = 3  # functions that only log what they are given
CACHED_PACKAGES: Final = 1_024  # installed ones, known to be the application's or not
RECORD_BYTES: Final = 1_048_576  # of what an installed distribution says of itself
CACHED_SOURCE_FILES: Final = 32
SOURCE_FILE_BYTES: Final = 1_048_576
LIMITER_KEYS: Final = 4_096
PENDING_EVENTS: Final = 100  # kept in memory while the spool can't be written

# -- provenance: which commit runs, and which brought a line ------------------------------------------------
PACKED_REFS_BYTES: Final = 8_388_608  # of a repository's packed-refs; a larger one is not read
GIT_CONFIG_BYTES: Final = 65_536
SHALLOW_BYTES: Final = 1_048_576
STAMP_BYTES: Final = 16_777_216  # of a build stamp
STAMP_FILES: Final = 20_000  # described in a build stamp
CACHED_FOLDERS: Final = 1_024  # of which it is known where in the source tree they are
BLAME_S: Final = 2.0  # for git to say which commit brought a line; then it is killed
BLAMES_S: Final = 4.0  # for all lines of one notice
BLAMES_PER_HOUR: Final = 60  # git is started so often by one leader
BLAMED_LINES: Final = 512  # remembered with their commits
SUBJECT_CHARS: Final = 120  # of a commit's first line

# -- limiter -------------------------------------------------------------------------------------------
BURST: Final = 5
FULL_INTERVAL_S: Final = 60.0
IDLE_KEY_S: Final = 900.0
REFINED_KEYS: Final = 64  # of one fault key, where faults of several views or templates share it
CAPTURES_PER_MINUTE: Final = 600  # full captures per process over all faults; past that: one per fault

# -- spool ---------------------------------------------------------------------------------------------
SEGMENT_BYTES: Final = 8_388_608  # a segment past this is closed and a new generation begins
COUNTER_SLOTS: Final = 4_096  # faults per generation counted by a cell
SPOOL_BYTES: Final = 268_435_456  # default of the setting spool_max_mb
KEEP_DAYS: Final = 7
FLIGHT_SLOTS: Final = 1_024  # requests and tasks of one process noted at once, with the setting deaths
FLIGHT_SLOT_BYTES: Final = 512  # of one of them; a longer path is cut
CRASH_BYTES: Final = 262_144  # read of what a dying process left
CRASH_THREADS: Final = 24  # other threads shown of it

# -- delivery ------------------------------------------------------------------------------------------
SLICE_BYTES: Final = 65_536  # read per sink and slice
BATCH_ENTRIES: Final = 100
COUNT_READ_INTERVAL_S: Final = 1.0  # at most so often the counts of a living process are read
COUNT_LINE_INTERVAL_S: Final = 5.0  # at most one count line per fault, sink and process in this time
LEADER_POLL_S: Final = 0.25
EXIT_DELAY_S: Final = 2.0
INLINE_S: Final = 5.0  # a report with delivery = "inline" returns after so long, delivered or not
INLINE_PAUSE_S: Final = 30.0  # after a delivery that failed no report waits for another one for so long
INLINE_LOOK_S: Final = 0.02  # how often to look whether another process still leads
INLINE_END_S: Final = 0.3  # waited, past the bound, for the lock to be given up
RETRY_FIRST_S: Final = 5.0
RETRY_MAX_S: Final = 900.0
RETRY_AFTER_MAX_S: Final = 3_600.0  # a destination that asks for a longer pause (Retry-After) is asked again then
WEBHOOK_BYTES: Final = 1_000_000  # of a notice sent as JSON; a longer one goes without its events
EVENT_LOG_UNITS: Final = 31_839  # UTF-16 code units of one event in the Windows event log
SAID_CHARS: Final = 200  # of what a destination or a sender said, in the words of a failure
ANSWER_BYTES: Final = 4_194_304  # of an HTTP server's answer; a longer one is an error
TICKETS_PER_CALL_S: Final = 60.0  # a notice of many faults goes on with its next try after this long
TICKET_EPISODES: Final = 20  # rows of a ticket's occurrence table; the first one stays, of the others the latest
REFUSED_SAID_S: Final = 60.0  # at most so often a sink's refusals are said on stderr
DEAD_LETTERS: Final = 1_000  # refused reports kept for `tocsin spool retry`; past it they are only counted
DEAD_LETTER_BYTES: Final = 67_108_864
DEAD_LETTER_DAYS: Final = 14
HURRIED_TRIES: Final = 3  # of a failing sink while somebody waits for a flush; then its backoff holds again
HURRIED_PAUSE_S: Final = 0.5
HURRY_S: Final = 60.0  # an older wish is that of a process which died waiting
SINK_DOWN_TOLD_S: Final = 900.0  # a sink failing this long is told through the others

# -- clocks that leap ----------------------------------------------------------------------------------
CLOCK_BACK_S: Final = 60.0  # a wall clock set back by more: what the state holds of later times is brought back
CLOCK_BACK_GATHER_S: Final = 600.0  # … and new faults gather no longer than this
CLOCK_LEAP_S: Final = 3_600.0  # a wall clock that goes ahead of the steady one by more has leapt
CLOCK_BELIEVED_S: Final = 3_600.0  # … and expires nothing before it has stood for so long

# -- state shared by several spools --------------------------------------------------------------------
CLAIM_S: Final = 120.0  # a notice is left to the leader that took it on for so long, and while it renews that
SHARED_LOOK_S: Final = 5.0  # at most so late a leader sees what the others did, unless it has something to do itself
SHARED_PURGE_S: Final = 300.0
SHARED_EVENTS_BYTES: Final = 268_435_456  # events kept in the database for notices, compressed; the oldest go first
SHARED_STATEMENT_S: Final = 15.0  # one statement; a longer one is broken off and tried again
SHARED_LOCK_S: Final = 10.0  # waited for another leader's transaction
SHARED_IDLE_S: Final = 30.0  # the server ends the session of a leader that stops in the middle of a transaction

# -- notices -------------------------------------------------------------------------------------------
DETAILED_ISSUES: Final = 8  # told with traceback in one notice; the others are in its list
LISTED_ISSUES: Final = 50  # in one notice's list
MAIL_HTML_BYTES: Final = 100_000  # a mail's HTML part leaves tracebacks out past it: Gmail clips at 102 kB

# -- routing -------------------------------------------------------------------------------------------
EPISODE_SILENCE_S: Final = 3_600.0  # this much silence ends an episode
ISSUES: Final = 10_000  # kept in the state; the longest silent go first
SAMPLES: Final = 100_000  # where full events lie, kept in the state
CLIENTS_PER_DAY: Final = 1_000  # distinct client hashes kept per issue and day
RATE_BUCKET_S: Final = 10  # occurrences of a warning are counted in steps of this
RATE_WINDOW_S: Final = 600  # … for this long
NOTICE_ISSUES: Final = 500  # told in one notice; what is left over comes with the next

FINGERPRINT_RULES: Final = 100  # of an application's own
FINGERPRINT_RULE_CHARS: Final = 200  # of one text in them
FINGERPRINT_RULE_WAYS: Final = 200_000  # in which one pattern may be tried at one place of a message
FINGERPRINT_SEARCHED_CHARS: Final = 256  # of a message, from its beginning
KEY_OPEN_DAYS: Final = 7  # an issue seen within these takes on what later rules call it, as does a muted one
KEY_TRANSITION_DAYS: Final = 30  # … for so long since the first time
KEY_ALIASES: Final = 64  # of one issue; what later rules call it further has an issue of its own
KEY_RULE_DAYS: Final = 7  # since a rule of `fingerprints` is in force, what it names joins the open issue it was before

# -- a receiver ----------------------------------------------------------------------------------------
LINE_SLACK_BYTES: Final = 4_096  # a line may be so much longer than its event: origin, occurrences
RECEIVER_CONNECTIONS: Final = 256  # at once; past it a sender is told to come back later
RECEIVER_HELLO_S: Final = 10.0  # for the TLS handshake, and for the hello where a token is asked for
RECEIVER_IDLE_S: Final = 300.0  # a connection without a whole line for so long is closed
RECEIVER_ROOMS: Final = 64  # applications and environments that get a spool of their own; others share one
RECEIVER_RELEASES: Final = 8  # of one application whose files are open at once
RECEIVER_POSITIONS_DAYS: Final = 60  # how long it is remembered how far a silent sender had come
RECEIVER_ORIGINS: Final = 10_000  # by UDP, where only the latest are remembered

"""The states of everything, and the reasons that Xene itself gives. Names are final (SPEC 3). Pure."""

from __future__ import annotations

# Pipelines (control side)
SCHEDULED = "Scheduled"
NOT_SCHEDULED = "NotScheduled"

# Runs
QUEUED = "Queued"
STARTING_UP = "StartingUp"
RUNNING = "Running"
SHUTTING_DOWN = "ShuttingDown"
SUCCESS = "Success"
ERROR = "Error"
UNKNOWN = "Unknown"
RUN_PHASES = (QUEUED, STARTING_UP, RUNNING, SHUTTING_DOWN, SUCCESS, ERROR, UNKNOWN)
ENDED = frozenset({SUCCESS, ERROR})

# Tasks and steps: RUNNING, SUCCESS, ERROR and
NOT_EXECUTED = "NotExecuted"

# Agents
READY = "Ready"
NOT_READY = "NotReady"
UNTRUSTED = "Untrusted"
UNREACHABLE = "Unreachable"

# Reasons of steps, tasks and runs
STEP_FAILED = "StepFailed"
TASK_FAILED = "TaskFailed"
TIMEOUT = "Timeout"
CANCELLED = "Cancelled"
KILLED = "Killed"
OMITTED = "Omitted"
SKIPPED = "Skipped"
AGENT_LOST = "AgentLost"
STATE_RESTORED = "StateRestored"  # the state is an older copy: how the run ended is not known any more
HOST_REBOOTED = "HostRebooted"
EXIT_UNKNOWN = "ExitUnknown"  # the process is gone and left no exit code: killed from outside
OUTPUT_MISSING = "OutputMissing"
OUTPUT_UNDECLARED = "OutputUndeclared"
OUTPUT_INVALID = "OutputInvalid"
WORK_DIR_MISSING = "WorkDirMissing"
EXPRESSION_FAILED = "ExpressionFailed"
START_FAILED = "StartFailed"  # the command could not be started: not found, not executable
REPLACED = "Replaced"
REJECTED = "Rejected"
EMPTY_MATRIX = "EmptyMatrix"
FAIL_FAST = "FailFast"
OUTPUT_SECRET = "OutputSecret"
SECRET_MISSING = "SecretMissing"
SECRET_UNAVAILABLE = "SecretUnavailable"
ARTIFACT_MISSING = "ArtifactMissing"
ARTIFACT_INVALID = "ArtifactInvalid"
CONTAINER_ENGINE_MISSING = (
    "ContainerEngineMissing"  # no podman and no docker, or not the one that is asked for
)
IMAGE_UNAVAILABLE = "ImageUnavailable"  # not on the host and not to be had, or without a `sh`
CONTAINER_FAILED = "ContainerFailed"  # the engine could not start it, or a step in it
CONTAINER_LOST = "ContainerLost"  # it was removed, or ended, while the run went on
WAITING_FOR_CAPACITY = "WaitingForCapacity"
WAITING_FOR_APPROVAL = "WaitingForApproval"
WAITING_FOR_RETRY = "WaitingForRetry"
WAITING_FOR_ARTIFACTS = "WaitingForArtifacts"  # those of other runs have not reached its agent
WAITING_FOR_RUN = "WaitingForRun"  # an earlier run of its pipeline has not ended

# Reasons of pipelines
NO_AGENT_MATCHES = "NoAgentMatches"
NO_CAPACITY = "NoCapacity"
NO_AGENT_READY = "NoAgentReady"
AGENT_BEHIND = "AgentBehind"
MOVING = "Moving"

# Reasons of slots
SUSPENDED = "Suspended"
CONCURRENCY_FORBID = "ConcurrencyForbid"  # a run has not ended, and the policy is Forbid
ALREADY_WAITING = "AlreadyWaiting"  # with the policy Queue an earlier slot's run waits already
LATE = "Late"  # nothing could fire when it was due, and catchUp does not start it
DEADLINE_PASSED = "DeadlinePassed"  # startingDeadline
CATCH_UP_LIMIT = "CatchUpLimit"
TRIGGER_CHANGED = "TriggerChanged"  # it was due under what the trigger was before, and had not fired
NOT_PLACED = "NotPlaced"  # no agent had the pipeline
AGENT_SILENT = "AgentSilent"  # its agent may have fired it, and has not been heard since
AGENT_GONE = "AgentRemoved"  # its agent was removed, and will never be heard

# Reasons that come with leases
LEASE_ENDED = "LeaseEnded"  # control was away for longer than lostAfter allows
WAITING_FOR_LEASE = "WaitingForLease"

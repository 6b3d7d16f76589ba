//! Batch systems and launchers.

use super::Entry;
use crate::finding::{Role, Severity};

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        id: "slurm_time_limit",
        title: "Slurm's time limit is up",
        severity: Severity::Critical,
        role: Role::Root,
        literals: &["DUE TO TIME LIMIT"],
        pattern: None,
        exclusions: &[],
        means: "The job used up its wall time.",
        told_apart: "A cancellation without a reason was a person's, or the tail of a failed step.",
        advice: "Resume from the checkpoint; ask for longer, or checkpoint on a signal.",
        examples: &[
            "slurmstepd: error: *** JOB 123 ON node7 CANCELLED AT 2024-05-01T10:00:00 DUE TO TIME LIMIT ***",
        ],
        near_misses: &["slurmstepd: error: *** JOB 123 ON node7 CANCELLED AT 2024-05-01T10:00:00 ***"],
    },
    Entry {
        id: "slurm_node_fail",
        title: "A node died",
        severity: Severity::Critical,
        role: Role::Root,
        literals: &["DUE TO NODE FAILURE", "Node failure on", "DUE TO NODE FAIL"],
        pattern: None,
        exclusions: &[],
        means: "Slurm lost a node of the job.",
        told_apart: "A rank's own crash leaves the node up.",
        advice: "Exclude the node and submit again.",
        examples: &[
            "srun: error: Node failure on node37",
            "slurmstepd: error: *** STEP 19.0 ON node17 CANCELLED AT 2023-03-06T03:17:51 DUE TO NODE FAILURE, SEE SLURMCTLD LOG FOR DETAILS ***",
        ],
        near_misses: &["node failure detection enabled"],
    },
    Entry {
        id: "slurm_preempted",
        title: "Preempted by a job of higher priority",
        severity: Severity::Warning,
        role: Role::Root,
        literals: &["DUE TO PREEMPTION"],
        pattern: None,
        exclusions: &[],
        means: "A job of higher priority took the nodes.",
        told_apart: "Slurm says so in the same line.",
        advice: "Wait for the requeue; make the resume idempotent.",
        examples: &[
            "slurmstepd: error: *** JOB 115 ON node01 CANCELLED AT 2026-03-25T10:34:07 DUE TO PREEMPTION ***",
        ],
        near_misses: &["preemption is enabled for this partition"],
    },
    Entry {
        id: "slurm_cancelled",
        title: "Cancelled, no reason given",
        severity: Severity::Critical,
        role: Role::Confirmation,
        literals: &["CANCELLED AT"],
        pattern: Some(r"\*\*\* (?:JOB|STEP) \S+ ON \S+ CANCELLED AT \S+ \*\*\*"),
        exclusions: &["DUE TO"],
        means: "Mostly scancel by a person, or the tail of a failed step.",
        told_apart: "Slurm's own reasons stand behind 'DUE TO'.",
        advice: "Look for an earlier error; if there is none, a person did it.",
        examples: &["slurmstepd: error: *** STEP 84.0 ON node49 CANCELLED AT 2023-02-22T07:55:14 ***"],
        near_misses: &[
            "slurmstepd: error: *** JOB 1 ON n CANCELLED AT 2024-05-01T10:00:00 DUE TO TIME LIMIT ***",
        ],
    },
    Entry {
        id: "torchelastic_child_failed",
        title: "The launcher reports that a rank died",
        severity: Severity::Critical,
        role: Role::Cascade,
        literals: &[
            "ChildFailedError",
            "Root Cause (first observed failure)",
            "failed (exitcode: ",
            "sigkill_handler",
        ],
        pattern: None,
        exclusions: &["import ", "except "],
        means: "torchrun or a like launcher saw one of its processes die.",
        told_apart: "It is the echo; the rank's own error stands above.",
        advice: "Read the rank's own error above; exitcode -9 means host memory or the scheduler, -11 a native crash, -6 an abort, -15 that it was told to stop.",
        examples: &[
            "torch.distributed.elastic.multiprocessing.errors.ChildFailedError: ",
            "E0503 22:51:04.928 api.py:826] failed (exitcode: 2) local_rank: 0 (pid: 89721) of binary: python",
        ],
        near_misses: &["from torch.distributed.elastic.multiprocessing.errors import ChildFailedError"],
    },
];

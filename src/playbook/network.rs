//! Collectives between GPUs and nodes.

use super::Entry;
use crate::finding::{Role, Severity};

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        id: "nccl_error",
        title: "NCCL failed",
        severity: Severity::Critical,
        role: Role::Root,
        literals: &[
            "NCCL error",
            "NCCL Error",
            "ncclSystemError",
            "ncclInternalError",
            "ncclUnhandledCudaError",
            "ncclRemoteError",
            "ncclInvalidUsage",
            "NCCL WARN",
        ],
        pattern: Some(
            r"NCCL [eE]rror|nccl(?:System|Internal|Remote|UnhandledCuda)Error|ncclInvalidUsage|NCCL WARN (?:.*(?:Got completion|failed with|Cuda failure|Error|error|Connection (?:refused|closed|reset)|timed out))",
        ),
        exclusions: &["Watchdog caught collective operation timeout"],
        means: "The transport or CUDA failed inside NCCL.",
        told_apart: "A timeout names the watchdog; there one rank is late or dead.",
        advice: "Set NCCL_DEBUG=INFO; check the interface (NCCL_SOCKET_IFNAME), the GID index and the firewall; look for a dead peer.",
        examples: &[
            "RuntimeError: NCCL error in: ProcessGroupNCCL.cpp:825, unhandled system error, NCCL version 2.7.8",
            "node-2:5776:5902 [0] transport/net_ib.cc:1296 NCCL WARN NET/IB : Got completion from peer 10.2.0.5<33092> with error 12, opcode 0",
            "misc/ibvwrap.cc:309 NCCL WARN Call to ibv_modify_qp failed with 101 Network is unreachable",
        ],
        near_misses: &[
            "node:1:1 [0] NCCL INFO comm 0x14ecc8001060 rank 38 nranks 64 - Init COMPLETE",
            "node:1:1 [0] NCCL WARN MSCCL Internal Scheduler: not found",
        ],
    },
    Entry {
        id: "nccl_timeout",
        title: "A collective did not finish in time",
        severity: Severity::Critical,
        role: Role::Cascade,
        literals: &[
            "collective operation timeout",
            "WorkNCCL(SeqNum=",
            "Some NCCL operations have failed or timed out",
        ],
        pattern: None,
        exclusions: &[],
        means: "One rank is late, dead or took another path; the others waited and gave up.",
        told_apart: "It is the echo of another rank's trouble, seldom the cause.",
        advice: "Look for the first other error of any rank; then for the rank without a watchdog line; then py-spy dump.",
        examples: &[
            "[Rank 0] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=1, OpType=ALLREDUCE, Timeout(ms)=1800000) ran for 1800646 milliseconds before timing out.",
            "[E ProcessGroupNCCL.cpp:414] Some NCCL operations have failed or timed out.",
        ],
        near_misses: &["NCCL_TIMEOUT=1800 set", "hpwdt 0000:61:00.0: timeout: 30 seconds (nowayout=0)"],
    },
];

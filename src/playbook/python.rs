//! Python's own errors. An uncaught exception that no entry names is `python_traceback`.

use super::{Entry, PYTHON_TRACEBACK};
use crate::finding::{Role, Severity};

pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        id: "import_error",
        title: "A module or shared library is missing",
        severity: Severity::Critical,
        role: Role::Root,
        literals: &["ModuleNotFoundError", "ImportError", "cannot open shared object file"],
        pattern: None,
        exclusions: &[
            "NCCL INFO",
            "NCCL WARN",
            "except ",
            "Warning",
            "WARNING",
            "Could not load dynamic library",
            "dlerror",
        ],
        means: "Python or the loader did not find a module, a name in it, or a library.",
        told_apart: "NCCL and TensorFlow look for optional libraries and say so at information level.",
        advice: "Activate the right environment; match versions; look at LD_LIBRARY_PATH.",
        examples: &[
            "ModuleNotFoundError: No module named 'flash_attn'",
            "OSError: libnvJitLink.so.13: cannot open shared object file: No such file or directory",
        ],
        near_misses: &[
            "host:8:8 [1] NCCL INFO NET/Plugin : libnccl-net.so: cannot open shared object file: No such file or directory",
            "    except ImportError:",
        ],
    },
    Entry {
        id: PYTHON_TRACEBACK,
        title: "Uncaught Python exception",
        severity: Severity::Critical,
        role: Role::Root,
        // Tracebacks themselves are followed record by record; a syntax error is printed without one.
        literals: &["SyntaxError: ", "IndentationError: "],
        pattern: Some(r"(?:^|[ :\]])(?:SyntaxError|IndentationError): \S"),
        exclusions: &["except ", "JSON"],
        means: "The program raised an exception and did not catch it.",
        told_apart: "One that another syndrome names is told as that; one logged as a warning is not told.",
        advice: "Read the exception's text and the innermost line of your own code.",
        examples: &["SyntaxError: invalid syntax"],
        near_misses: &["    except SyntaxError: pass"],
    },
];

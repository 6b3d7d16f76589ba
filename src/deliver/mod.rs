//! Stage "deliver".

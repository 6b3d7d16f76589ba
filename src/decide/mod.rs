//! Stage "decide": what is new, worse or over.

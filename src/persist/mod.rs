//! Stage "persist".

//! The catalogue of log syndromes.

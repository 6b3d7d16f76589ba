//! The program as its users meet it: one file per behaviour, all in one binary.

mod bad_config;
mod scene;

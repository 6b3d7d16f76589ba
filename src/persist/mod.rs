//! State on disk: whole files, synced and renamed, in a directory that nobody else can write.

pub mod atomic;
pub mod history;
pub mod lock;
pub mod run_directory;
pub mod state;
pub mod step;
pub mod store;
pub mod trust;

pub use step::step;

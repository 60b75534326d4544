//! The application around the engine: the command line, runs in folders, data from files and the network, reports.

pub mod atomic;
mod augment;
pub mod cache;
pub mod cli;
pub mod doctor;
pub mod experiment;
pub mod export;
pub mod gpu_report;
pub mod label;
pub mod likeness;
pub mod lock;
pub mod model_file;
pub mod profile;
pub mod report;
pub mod run;
pub mod source;
pub mod text;

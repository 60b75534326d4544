//! What people look at: pictures, tables, progress, and the files of a run folder. Reads only what the
//! trainer tells ([`crate::train::event`]) and what [`crate::profile`] measured; nothing here knows the GPU.

pub mod confusion;
mod font;
pub mod grid;
pub mod history;
pub mod plot;
pub mod png;
pub mod progress;
pub mod recorder;
pub mod roofline;
pub mod table;

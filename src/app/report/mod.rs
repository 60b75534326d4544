//! What people look at: pictures, tables, progress, and the files of a run folder. Reads only what the
//! trainer tells ([`crate::train::event`]) and what [`crate::app::profile`] measured; nothing here knows the GPU.

pub mod advice;
pub mod confusion;
pub(in crate::app) mod font;
pub mod grid;
pub mod interval;
pub mod plot;
pub mod png;
pub mod progress;
pub mod sheet;
pub mod table;
